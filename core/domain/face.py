"""A face in a photo: what is asked of it, and what became of it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from core.domain.errors import InvalidRequestError

Box = tuple[float, float, float, float]
"""left, top, right, bottom in pixels of the upright photo."""
Points = tuple[tuple[float, float], tuple[float, float]]
"""Both eyes, (x, y) in pixels of the upright photo."""


class FaceAction(StrEnum):
    """What is asked of a face."""

    RESTORE = "restore"
    KEEP = "keep"


class FaceVerdict(StrEnum):
    """What became of a face."""

    RESTORED = "restored"
    KEEP_ORIGINAL = "keep_original"
    """It was restored, and its identity fell beyond the margin: the photo shows the face as it was."""
    KEPT = "kept"
    """As was asked."""
    NOT_THE_SUBJECT = "not_the_subject"
    """Somebody else than the subject whose checkpoint was to be used: left as it was."""
    TOO_SMALL = "too_small"
    """It has too few pixels: left as it was."""
    FAILED = "failed"
    """It could not be restored: its error says why."""


LEFT_ALONE = frozenset({FaceVerdict.KEEP_ORIGINAL, FaceVerdict.KEPT, FaceVerdict.NOT_THE_SUBJECT})
"""Of faces that stay as they are on purpose: their pixels are theirs, whatever face beside them is restored."""


@dataclass(frozen=True)
class FaceWish:
    """What is asked of one face; it is named by its number, a box or its eyes.

    Attributes:
        index: its number among those detected: 0 is the largest.
        box: around it.
        eyes: both.
        action: restore, or keep as it is.
        checkpoint_id: constrains the prior for this face; None: the request's mode and checkpoint.
    """

    index: int | None = None
    box: Box | None = None
    eyes: Points | None = None
    action: FaceAction = FaceAction.RESTORE
    checkpoint_id: str | None = None

    def __post_init__(self) -> None:
        """Check.

        Raises:
            InvalidRequestError: the face is named in no way, or in several.
        """
        if sum(way is not None for way in (self.index, self.box, self.eyes)) != 1:
            raise InvalidRequestError("A face is named by its index, a box or its eyes.", "Give one of the three.")

    def as_json(self) -> dict[str, Any]:
        """For a job's options."""
        return {
            "index": self.index,
            "box": self.box,
            "eyes": self.eyes,
            "action": str(self.action),
            "checkpoint_id": self.checkpoint_id,
        }

    @classmethod
    def from_json(cls, entry: dict[str, Any]) -> "FaceWish":
        """The inverse of `as_json`."""
        box, eyes = entry.get("box"), entry.get("eyes")
        return cls(
            index=entry.get("index"),
            box=None if box is None else (float(box[0]), float(box[1]), float(box[2]), float(box[3])),
            eyes=None if eyes is None else ((eyes[0][0], eyes[0][1]), (eyes[1][0], eyes[1][1])),
            action=FaceAction(entry.get("action", FaceAction.RESTORE)),
            checkpoint_id=entry.get("checkpoint_id"),
        )

"""The faces of one photo, as they were found or named: what the detect stage makes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.domain.errors import BadInputError, FaceTooSmallError, HeirloomError
from core.domain.face import Box, FaceAction, FaceVerdict
from core.imaging.align import Alignment
from core.pipeline.artifacts import pack, unpack
from core.pipeline.request import FaceSource


@dataclass(frozen=True, eq=False)
class FoundFace:
    """One face, before anything is done to it.

    Attributes:
        n: its number in the photo.
        source: how it was found.
        quad: [4, 2] float64, see `Alignment`; None of an aligned photo, and where the face cannot be used.
        outline: [N, 2] float64; None where there is no quad.
        box: around it; None of an aligned photo.
        eye_distance_pixels: between the eyes, where they are known.
        action: what is asked of it.
        named: somebody asked for this very face.
        checkpoint_id: that it is to be restored with.
        verdict: TOO_SMALL or FAILED, where that is known already.
        reason: why, for people: what happened, and what to do.
    """

    n: int
    source: FaceSource
    quad: np.ndarray | None = None
    outline: np.ndarray | None = None
    box: Box | None = None
    eye_distance_pixels: float | None = None
    action: FaceAction = FaceAction.RESTORE
    named: bool = False
    checkpoint_id: str | None = None
    verdict: FaceVerdict | None = None
    reason: tuple[str, str] = ("", "")

    @property
    def alignment(self) -> Alignment | None:
        """Its square in the photo."""
        return None if self.quad is None else Alignment(self.quad)

    @property
    def wanted(self) -> bool:
        """Whether it is to be restored, and can be as far as is known."""
        return self.verdict is None and self.action is FaceAction.RESTORE

    @property
    def error(self) -> HeirloomError | None:
        """Why it cannot be used."""
        kinds = {FaceVerdict.TOO_SMALL: FaceTooSmallError, FaceVerdict.FAILED: BadInputError}
        return None if self.verdict is None else kinds[self.verdict](*self.reason)


@dataclass(frozen=True, eq=False)
class FoundFaces:
    """What a photo shows.

    Attributes:
        width: of the upright photo, in pixels.
        height: of the upright photo.
        faces: by number.
        absent: numbers that were named and that no face has.
    """

    width: int
    height: int
    faces: tuple[FoundFace, ...]
    absent: tuple[int, ...] = ()

    def packed(self) -> bytes:
        """As an artifact."""
        faces = [_as_json(face) for face in self.faces]
        return pack({}, {"width": self.width, "height": self.height, "absent": list(self.absent), "faces": faces})

    @classmethod
    def unpacked(cls, data: bytes) -> "FoundFaces":
        """The inverse of `packed`."""
        values = unpack(data)[1]
        faces = tuple(_from_json(entry) for entry in values["faces"])
        return cls(values["width"], values["height"], faces, tuple(values["absent"]))


def _as_json(face: FoundFace) -> dict[str, Any]:
    return {
        "n": face.n,
        "source": face.source,
        "quad": _listed(face.quad),
        "outline": _listed(face.outline),
        "box": face.box,
        "eye_distance_pixels": face.eye_distance_pixels,
        "action": face.action,
        "named": face.named,
        "checkpoint_id": face.checkpoint_id,
        "verdict": face.verdict,
        "reason": face.reason,
    }


def _from_json(entry: dict[str, Any]) -> FoundFace:
    left, top, right, bottom = entry["box"] or (0.0, 0.0, 0.0, 0.0)
    message, advice = entry["reason"]
    return FoundFace(
        n=entry["n"],
        source=entry["source"],
        quad=_points(entry["quad"]),
        outline=_points(entry["outline"]),
        box=None if entry["box"] is None else (left, top, right, bottom),
        eye_distance_pixels=entry["eye_distance_pixels"],
        action=FaceAction(entry["action"]),
        named=entry["named"],
        checkpoint_id=entry["checkpoint_id"],
        verdict=None if entry["verdict"] is None else FaceVerdict(entry["verdict"]),
        reason=(message, advice),
    )


def _listed(points: np.ndarray | None) -> list[list[float]] | None:
    return None if points is None else [[float(x), float(y)] for x, y in points]


def _points(listed: Sequence[Sequence[float]] | None) -> np.ndarray | None:
    return None if listed is None else np.array(listed, dtype=np.float64)

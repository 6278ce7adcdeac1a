"""What is asked of one face of a photo."""

from typing import Annotated, Literal

from pydantic import Field, StrictInt

from api.schemas.members import CheckpointId, Sent, SubjectId
from core.domain.face import FaceAction
from core.services.wanted import AskedFace

Coordinate = Annotated[float, Field(ge=-100_000, le=100_000, strict=True)]
Point = Annotated[list[Coordinate], Field(min_length=2, max_length=2)]


class FaceIn(Sent):
    """One face: named by its index, a box or its eyes, and what becomes of it."""

    index: Annotated[
        StrictInt | None, Field(ge=0, lt=1000, description="Among those that are detected; 0 is the largest.")
    ] = None
    box: Annotated[
        list[Coordinate] | None,
        Field(min_length=4, max_length=4, description="left, top, right, bottom in pixels of the upright photo."),
    ] = None
    eyes: Annotated[
        list[Point] | None,
        Field(min_length=2, max_length=2, description="Both eyes, x and y in pixels of the upright photo."),
    ] = None
    subject_id: Annotated[SubjectId | None, Field(description="Whose face it is.")] = None
    checkpoint_id: Annotated[CheckpointId | None, Field(description="Instead of subject_id: this very one.")] = None
    action: Annotated[Literal["restore", "keep"], Field(description="keep: it stays as it is, to the last bit.")] = (
        "restore"
    )

    def asked(self) -> AskedFace:
        """For the use case."""
        box, eyes = self.box, self.eyes
        return AskedFace(
            index=self.index,
            box=None if box is None else (box[0], box[1], box[2], box[3]),
            eyes=None if eyes is None else ((eyes[0][0], eyes[0][1]), (eyes[1][0], eyes[1][1])),
            subject_id=self.subject_id,
            checkpoint_id=self.checkpoint_id,
            action=FaceAction(self.action),
        )

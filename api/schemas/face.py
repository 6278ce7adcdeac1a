"""Faces: what a dry run finds in a photo."""

from typing import Literal, Self

from pydantic import Field

from api.schemas.members import Answered, FileId, Sent
from core.imaging.detection import DetectedFace, DetectedFaces

PointOut = tuple[float, float]


class DetectForm(Sent):
    """The fields beside the photo: there are none."""


class DetectIn(Sent):
    """A photo that was uploaded before."""

    file_id: FileId


class PoseOut(Answered):
    """Which way a face looks."""

    view: Literal["front", "left", "right", "left_profile", "right_profile"] = Field(
        description="As one sees it in the photo."
    )
    tilt: Literal["level", "up", "down"] | None = Field(description="Null where the finder gives no chin: yunet.")


class DetectedFaceOut(Answered):
    """One face; coordinates are pixels of the upright photo, x to the right, y down."""

    index: int = Field(description="Its number: what `faces` of a restoration may name. 0 is the largest.")
    box: tuple[float, float, float, float] = Field(description="Left, top, right, bottom.")
    eyes: tuple[PointOut, PointOut] = Field(description="Their centres, left and right in the picture.")
    landmarks: list[PointOut] = Field(description="dlib: 68 points (iBUG 300-W); yunet: eyes, nose, mouth's corners.")
    quad: tuple[PointOut, PointOut, PointOut, PointOut] = Field(
        description="The square that would be restored: the face's top left, bottom left, bottom right, top right."
    )
    eye_distance_pixels: float
    verdict: Literal["too_small", "small", "enough"] = Field(
        description="too_small: it would not be restored. small: rather by the prior than by the photo."
    )
    score: float = Field(description="The finder's own: more is surer.")
    pose: PoseOut

    @classmethod
    def of(cls, face: DetectedFace) -> Self:
        """A find as it is shown."""
        return cls(
            index=face.index,
            box=face.box,
            eyes=face.eyes,
            landmarks=list(face.landmarks),
            quad=face.quad,
            eye_distance_pixels=face.eye_distance_pixels,
            verdict=face.verdict,
            score=face.score,
            pose=PoseOut(view=face.view, tilt=face.tilt),
        )


class DetectedFacesOut(Answered):
    """Every face that was found, largest first."""

    width: int = Field(description="Of the upright photo.")
    height: int = Field(description="Of the upright photo.")
    faces: list[DetectedFaceOut]

    @classmethod
    def of(cls, found: DetectedFaces) -> Self:
        """A find as it is shown."""
        return cls(width=found.width, height=found.height, faces=[DetectedFaceOut.of(face) for face in found.faces])

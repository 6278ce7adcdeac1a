"""A dry run: the faces of a photo, and what could be done with each. Nothing is kept."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from core.imaging.align import alignment_of_face
from core.imaging.curate.pose import Tilt, View, pose_of
from core.imaging.curate.thresholds import CurationThresholds
from core.imaging.faces import Box, EyeVerdict, Face, draw_faces
from core.imaging.faces.open import FinderChoice
from core.imaging.intake import encode
from core.imaging.opening import Limits
from core.imaging.original.reading import read_original

Point = tuple[float, float]

_THRESHOLDS = CurationThresholds()
_WITH_CHIN = 68


@dataclass(frozen=True)
class DetectedFace:
    """One face; coordinates in pixels of the upright photo, x to the right, y down.

    Attributes:
        index: its number: 0 is the largest.
        box: left, top, right, bottom.
        landmarks: 68 points (iBUG 300-W), or eye, eye, nose, corner of the mouth, corner.
        eyes: their centres, the one that is left in the picture first.
        quad: the square that would be cut out: top left, bottom left, bottom right, top right of the face.
        eye_distance_pixels: between the centres.
        verdict: whether the photo has pixels enough for it.
        score: the detector's; more is surer.
        view: which way it looks.
        tilt: up or down; None where there is no chin among the landmarks to tell it by.
    """

    index: int
    box: Box
    landmarks: tuple[Point, ...]
    eyes: tuple[Point, Point]
    quad: tuple[Point, Point, Point, Point]
    eye_distance_pixels: float
    verdict: EyeVerdict
    score: float
    view: View
    tilt: Tilt | None


@dataclass(frozen=True)
class DetectedFaces:
    """The faces of a photo.

    Attributes:
        width: of the upright photo, in pixels.
        height: of the upright photo, in pixels.
        faces: every one that was found, largest first.
    """

    width: int
    height: int
    faces: tuple[DetectedFace, ...]


def detect_faces(data: bytes, limits: Limits | None, finder: FinderChoice) -> DetectedFaces:
    """Decode a photo and find its faces; can be run in a `DecodePool`.

    Args:
        data: the file's bytes.
        limits: on what is decoded; None: the usual.
        finder: which.

    Raises:
        UnsupportedFormatError, ImageTooLargeError, ImageUnreadableError: as for `read_original`.
        PriorUnavailableError: the finder's file is not there.
    """
    image = read_original(data, limits).working
    return _described(image, finder.open().find(image))


def draw_detected(
    data: bytes, limits: Limits | None, finder: FinderChoice, file_format: Literal["png", "jpeg", "webp"] | None
) -> tuple[DetectedFaces, bytes]:
    """`detect_faces`, and the photo with its faces drawn in and numbered; where no format is named, no bytes."""
    image = read_original(data, limits).working
    faces = finder.open().find(image)
    found = _described(image, faces)
    if file_format is None:
        return found, b""
    return found, encode(draw_faces(image, faces, [alignment_of_face(face).quad for face in faces]), file_format)


def _described(image: np.ndarray, faces: list[Face]) -> DetectedFaces:
    height, width = image.shape[:2]
    return DetectedFaces(width, height, tuple(describe_face(index, face) for index, face in enumerate(faces)))


def describe_face(index: int, face: Face) -> DetectedFace:
    """A face as plain values.

    Args:
        index: its number.
        face: with 68 or five landmarks.
    """
    pose = pose_of(face.landmarks)
    left, top, right, bottom = (float(side) for side in face.box)
    eyes, quad = _points(face.eyes), _points(alignment_of_face(face).quad)
    return DetectedFace(
        index=index,
        box=(left, top, right, bottom),
        landmarks=_points(face.landmarks),
        eyes=(eyes[0], eyes[1]),
        quad=(quad[0], quad[1], quad[2], quad[3]),
        eye_distance_pixels=face.eye_distance_pixels,
        verdict=face.verdict,
        score=float(face.score),
        view=pose.view(_THRESHOLDS),
        tilt=pose.tilt(_THRESHOLDS) if len(face.landmarks) == _WITH_CHIN else None,
    )


def _points(array: np.ndarray) -> tuple[Point, ...]:
    return tuple((float(x), float(y)) for x, y in array)

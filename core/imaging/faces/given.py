"""Faces where somebody says they are: what a person points at wins over what a detector finds."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from core.domain.errors import BadInputError
from core.imaging.faces.face import Box, Face, FaceFinder

Points = tuple[tuple[float, float], tuple[float, float]]
"""Two eyes, (x, y) in photo pixels, in either order."""

_BOX_OF_EYES = (-0.75, -0.9, 1.75, 1.6)
"""left, top, right, bottom from the left eye, in eye distances along and across the line of the eyes."""


class Landmarker(Protocol):
    """Finds one face's landmarks in a box that is known to hold it."""

    def in_box(self, image: np.ndarray, box: Box) -> Face:
        """The face in a box.

        Args:
            image: [H, W, 3] uint8 RGB.
            box: left, top, right, bottom in photo pixels; drawn by hand, so roughly.
        """
        ...


def choose(
    image: np.ndarray,
    finder: FaceFinder,
    boxes: Sequence[Box] = (),
    eyes: Sequence[Points] = (),
    landmarker: Landmarker | None = None,
) -> list[Face]:
    """The faces of a photo: those that the caller names, in that order, else all that are found, largest first.

    Args:
        image: [H, W, 3] uint8 RGB.
        finder: asked only where nothing is named.
        boxes: around faces, in photo pixels.
        eyes: pairs of eyes, in photo pixels, of other faces than the boxes'.
        landmarker: finds landmarks in the boxes; needed where there are boxes.

    Raises:
        BadInputError: a box or an eye lies outside the photo, a box is empty or two eyes are one point; or boxes were
            given without a landmarker.
    """
    if not boxes and not eyes:
        return finder.find(image)
    height, width = image.shape[:2]
    for box in boxes:
        _check_box(box, height, width)
    faces = [face_of_eyes(pair, height, width) for pair in eyes]
    if boxes and landmarker is None:
        raise BadInputError("Boxes were given, but nothing that finds landmarks in them.", "Name the eyes instead.")
    return [landmarker.in_box(image, box) for box in boxes if landmarker is not None] + faces


def face_of_eyes(eyes: Points, height: int, width: int) -> Face:
    """A face of which the eyes are known.

    Args:
        eyes: (x, y) in photo pixels; which is left in the picture decides which way is up.
        height: the photo's, in pixels.
        width: the photo's, in pixels.

    Raises:
        BadInputError: an eye lies outside the photo, or both are one point.
    """
    points = np.array(sorted(eyes), dtype=np.float64)
    inside = np.isfinite(points).all() and (points >= 0).all() and (points <= [width, height]).all()
    if not inside or np.linalg.norm(points[1] - points[0]) < 1.0:
        raise BadInputError(
            f"The eyes {eyes} are not two points in a photo of {width} × {height} pixels.",
            "Name the centres of both eyes as x, y in pixels of the upright photo.",
        )
    along = points[1] - points[0]
    down = np.array([-along[1], along[0]])
    left, top, right, bottom = _BOX_OF_EYES
    corners = np.array([points[0] + x * along + y * down for x in (left, right) for y in (top, bottom)])
    (low_x, low_y), (high_x, high_y) = corners.min(axis=0), corners.max(axis=0)
    return Face(points, (float(low_x), float(low_y), float(high_x), float(high_y)), 1.0, "eyes")


def _check_box(box: Box, height: int, width: int) -> None:
    left, top, right, bottom = box
    finite = bool(np.isfinite(box).all())
    if (
        not finite
        or right - left < 2
        or bottom - top < 2
        or left >= width
        or top >= height
        or right <= 0
        or bottom <= 0
    ):
        raise BadInputError(
            f"The box {box} is empty or lies outside the photo of {width} × {height} pixels.",
            "Name left, top, right, bottom in pixels of the upright photo.",
        )

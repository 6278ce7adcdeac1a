"""The one face in a box that somebody drew."""

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np

from core.imaging.faces.face import Box, Face, area, intersection
from core.imaging.faces.plausible import plausible

_SIDE_PIXELS, _LARGEST_SCALE = 240, 4.0
"""The box's shorter side in the copy that is searched: both detectors are at their best there."""

_MARGIN = 0.6

_LEAST_SHARED, _SIZES = 0.6, (0.12, 4.0)
"""How much of the smaller box both share, and the find's area over the given one's: some people draw a box around the
eyes, some around head and hair."""

_USUAL_EYES = ((0.3, 0.36), (0.7, 0.36))
"""In fractions of a box; between dlib's (chin to eyebrows: 0.30) and YuNet's (with the forehead: 0.40)."""

FindInBox = Callable[[np.ndarray, Box], list[Face]]
"""From a picture and the box in it, both in the picture's pixels, to faces, the most trusted first."""


def face_in_box(image: np.ndarray, box: Box, find: FindInBox) -> Face:
    """The face in a box; if none is found there, the eyes where they lie in most boxes.

    Args:
        image: [H, W, 3] uint8 RGB.
        box: in photo pixels, roughly around a face.
        find: asked once, with the box's surroundings in a size that detectors like.
    """
    left, top, right, bottom = box
    margin = _MARGIN * max(right - left, bottom - top)
    low_x, low_y = max(0, int(left - margin)), max(0, int(top - margin))
    part = image[low_y : int(np.ceil(bottom + margin)), low_x : int(np.ceil(right + margin))]
    scale = min(_LARGEST_SCALE, _SIDE_PIXELS / max(1.0, min(right - left, bottom - top)))
    filter_kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    copy = np.ascontiguousarray(cv2.resize(part, None, fx=scale, fy=scale, interpolation=filter_kind))
    shifted = ((left - low_x) * scale, (top - low_y) * scale, (right - low_x) * scale, (bottom - low_y) * scale)
    for found in find(copy, shifted):
        face = found.scaled(1 / scale, (float(low_x), float(low_y)))
        shared = intersection(face.box, box) / max(1.0, min(area(box), area(face.box)))
        fits = shared >= _LEAST_SHARED and _SIZES[0] <= area(face.box) / max(1.0, area(box)) <= _SIZES[1]
        if fits and plausible(face, *image.shape[:2]):
            return replace(face, box=box, score=1.0, source="box")
    return eyes_of_box(box)


def eyes_of_box(box: Box) -> Face:
    """A face of which only a box is known: the eyes where they lie in most boxes, upright."""
    left, top, right, bottom = box
    eyes = [(left + x * (right - left), top + y * (bottom - top)) for x, y in _USUAL_EYES]
    return Face(np.array(eyes), box, 1.0, "box")

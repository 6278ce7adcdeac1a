"""Finding faces: boxes and 68 landmarks."""

from dataclasses import dataclass
from typing import Protocol

import cv2
import dlib
import numpy as np

from core.imaging.models import detector, landmark_predictor

_WORKING_SIDE_PIXELS = 1_400
"""The detector's longest input: bounds the time for a 24-megapixel photo; a face of 1/20 of it is still 70 pixels."""

_WINDOW_PIXELS = 80
"""dlib's smallest face box; smaller faces need the photo enlarged."""

_SURE_SCORE, _WEAK_SCORE = 0.5, 0.2


@dataclass(frozen=True, eq=False)
class Face:
    """One face in a photo.

    Attributes:
        landmarks: [68, 2] float64, (x, y) in photo pixels, in the order of the iBUG 300-W set.
        box: left, top, right, bottom in photo pixels.
        score: the detector's; more is surer, below 0 is a guess.
    """

    landmarks: np.ndarray
    box: tuple[float, float, float, float]
    score: float

    @property
    def eye_distance_pixels(self) -> float:
        """Between the centres of the eyes."""
        return float(np.linalg.norm(self.landmarks[42:48].mean(axis=0) - self.landmarks[36:42].mean(axis=0)))


class FaceFinder(Protocol):
    """Finds the faces of a photo."""

    def find(self, image: np.ndarray) -> list[Face]:
        """All faces, largest first.

        Args:
            image: [H, W, 3] uint8 RGB.
        """
        ...


class DlibFaceFinder:
    """dlib's HOG detector over a scale pyramid, then its 68-point predictor.

    The scales are tried from the photo's own to the enlarged ones, and finally a slightly blurred copy with a lower
    threshold (noise and JPEG blocks hide gradients); the search stops at the first that shows a face.
    """

    def find(self, image: np.ndarray) -> list[Face]:
        """See `FaceFinder.find`."""
        height, width = image.shape[:2]
        longest = max(height, width)
        base = min(1.0, _WORKING_SIDE_PIXELS / longest)
        # Enlarging 2 × finds faces down to 40 pixels, which old prints and thumbnails have.
        scales = [base, *(s for s in (2 * base, 3 * base) if s * longest <= 2 * _WORKING_SIDE_PIXELS)]
        for scale in scales:
            if faces := self._at_scale(image, scale, threshold=0.0):
                return faces
        blurred = cv2.GaussianBlur(image, (0, 0), 1.2)
        for scale in scales[:2]:
            if faces := self._at_scale(blurred, scale, threshold=-0.25):
                return faces
        return []

    def _at_scale(self, image: np.ndarray, scale: float, threshold: float) -> list[Face]:
        scaled = image
        if scale != 1.0:
            filter_kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
            scaled = cv2.resize(image, None, fx=scale, fy=scale, interpolation=filter_kind)
        scaled = np.ascontiguousarray(scaled)
        if min(scaled.shape[:2]) < _WINDOW_PIXELS // 2:
            return []
        boxes, scores, _ = detector().run(scaled, 0, threshold)
        faces = []
        for box, score in zip(boxes, scores, strict=True):
            faces.append(_with_landmarks(scaled, box, float(score), scale))
        return sorted(_without_guesses(_without_duplicates(faces)), key=_area, reverse=True)


def _with_landmarks(scaled: np.ndarray, box: "dlib.rectangle", score: float, scale: float) -> Face:
    shape = landmark_predictor()(scaled, box)
    points = np.array([(shape.part(i).x, shape.part(i).y) for i in range(68)], dtype=np.float64)
    sides = (box.left() / scale, box.top() / scale, box.right() / scale, box.bottom() / scale)
    return Face(points / scale, sides, score)


def _area(face: Face) -> float:
    left, top, right, bottom = face.box
    return max(0.0, right - left) * max(0.0, bottom - top)


def _overlap(one: Face, other: Face) -> float:
    """Intersection over the smaller box: also catches a box within a box."""
    width = min(one.box[2], other.box[2]) - max(one.box[0], other.box[0])
    height = min(one.box[3], other.box[3]) - max(one.box[1], other.box[1])
    smaller = min(_area(one), _area(other))
    return max(0.0, width) * max(0.0, height) / smaller if smaller > 0 else 0.0


def _without_guesses(faces: list[Face]) -> list[Face]:
    """Drop weak finds beside sure ones: on faces alone a weak find is real as often as not, beside one it is cloth."""
    if any(face.score > _SURE_SCORE for face in faces):
        return [face for face in faces if face.score > _WEAK_SCORE]
    return faces


def _without_duplicates(faces: list[Face]) -> list[Face]:
    kept: list[Face] = []
    for face in sorted(faces, key=lambda f: f.score, reverse=True):
        if all(_overlap(face, other) < 0.5 for other in kept):
            kept.append(face)
    return kept

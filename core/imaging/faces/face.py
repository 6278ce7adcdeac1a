"""One face in a photo, and what finds faces."""

from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np

Box = tuple[float, float, float, float]
"""left, top, right, bottom in photo pixels."""

Source = Literal["detected", "box", "eyes"]
EyeVerdict = Literal["too_small", "small", "enough"]

MIN_EYE_DISTANCE_PIXELS = 12.0
"""Below, no face is restored: a whole eye would have three or four pixels."""

GOOD_EYE_DISTANCE_PIXELS = 20.0
"""Below, the restoration rests more on the prior than on the photo."""


@dataclass(frozen=True, eq=False)
class Face:
    """One face in a photo.

    Attributes:
        landmarks: float64, (x, y) in photo pixels. [68, 2] in the order of the iBUG 300-W set (dlib); or [5, 2]: eye,
            eye, tip of the nose, corner of the mouth, corner (YuNet); or [2, 2]: the eyes alone (set by hand).
            Each pair begins with the one that is left in the picture.
        box: left, top, right, bottom in photo pixels.
        score: the detector's; more is surer, below 0 is a guess. The scales of two detectors differ. 1 if set by hand.
        source: detected, or where somebody said that the face is.
    """

    landmarks: np.ndarray
    box: Box
    score: float
    source: Source = "detected"

    @property
    def eyes(self) -> np.ndarray:
        """The centres of the eyes, [2, 2] float64."""
        if len(self.landmarks) == 68:
            return np.stack([self.landmarks[36:42].mean(axis=0), self.landmarks[42:48].mean(axis=0)])
        return self.landmarks[:2]

    @property
    def mouth(self) -> np.ndarray | None:
        """The corners of the mouth, [2, 2] float64; None where only the eyes are known."""
        if len(self.landmarks) == 68:
            return self.landmarks[[48, 54]]
        return self.landmarks[3:5] if len(self.landmarks) == 5 else None

    @property
    def eye_distance_pixels(self) -> float:
        """Between the centres of the eyes."""
        left, right = self.eyes
        return float(np.linalg.norm(right - left))

    @property
    def verdict(self) -> EyeVerdict:
        """Whether the photo has pixels enough for this face."""
        apart = self.eye_distance_pixels
        if apart < MIN_EYE_DISTANCE_PIXELS:
            return "too_small"
        return "small" if apart < GOOD_EYE_DISTANCE_PIXELS else "enough"

    def scaled(self, factor: float, shift: tuple[float, float] = (0.0, 0.0)) -> "Face":
        """The same face in a picture that is `factor` times as large and begins at −`shift`."""
        left, top, right, bottom = self.box
        x, y = shift
        box = (left * factor + x, top * factor + y, right * factor + x, bottom * factor + y)
        return replace(self, landmarks=self.landmarks * factor + np.array(shift), box=box)


class FaceFinder(Protocol):
    """Finds the faces of a photo."""

    def find(self, image: np.ndarray) -> list[Face]:
        """All faces, largest first.

        Args:
            image: [H, W, 3] uint8 RGB.
        """
        ...


def area(box: Box) -> float:
    """In square pixels."""
    left, top, right, bottom = box
    return max(0.0, right - left) * max(0.0, bottom - top)


def intersection(one: Box, other: Box) -> float:
    """What two boxes share, in square pixels."""
    return area((max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3])))

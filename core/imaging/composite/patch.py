"""A restored face on its way back into its photo."""

from dataclasses import dataclass

import cv2
import numpy as np

from core.imaging.align import Alignment
from core.imaging.colour import Colour
from core.imaging.faces import Face

_FOREHEAD = 0.6
"""From the eyebrows up to the hair, in distances from the eyes to the mouth; at the temples a bit more than half."""

_ELLIPSE_CENTRE, _ELLIPSE_AXES = (0.5, 0.58), (0.29, 0.35)
"""A face in its FFHQ square, in fractions of it: from the median of 212 faces, ears to jaw, hairline to chin."""


@dataclass(frozen=True, eq=False)
class Patch:
    """A restored face and how it is put back.

    Attributes:
        alignment: where its square lies in the photo.
        restored: the prior's output for that square, [R, R, 3] uint8.
        outline: [N, 2] float64, convex, in photo pixels: the face without a margin (`outline_of`).
        seed: of the grain that is added.
        colour: whose colours it has, see `core.imaging.colour`.
        strength: 0 … 1, how much of the restoration is blended in; 0: the face is left alone, and so are its pixels
            where another face overlaps it.
        grain: 0 … 1, how much of the missing grain is added.
    """

    alignment: Alignment
    restored: np.ndarray
    outline: np.ndarray
    seed: int
    colour: Colour = "preserve"
    strength: float = 1.0
    grain: float = 1.0

    @property
    def crop_pixels(self) -> int:
        """Side of the square at the photo's own resolution."""
        return max(1, round(self.alignment.side_pixels))

    @property
    def beyond_prior(self) -> float:
        """The photo's pixels for one of the prior's; above 1 the finest detail can be the photo's only."""
        return self.crop_pixels / len(self.restored)


def outline_of(alignment: Alignment, face: Face | None = None) -> np.ndarray:
    """A face's outline in its photo: jaw, cheeks and forehead.

    Args:
        alignment: of the face.
        face: with 68 landmarks it is their hull, lifted to the hair; with fewer, or without, an ellipse in the square.

    Returns:
        [N, 2] float64, convex.
    """
    if face is None or len(face.landmarks) != 68:
        angles = np.linspace(0, 2 * np.pi, 64, endpoint=False)
        ellipse = np.array(_ELLIPSE_CENTRE) + np.stack([np.cos(angles), np.sin(angles)], axis=1) * _ELLIPSE_AXES
        top_left, bottom_left, _, top_right = alignment.quad
        x, y = ellipse[:, :1], ellipse[:, 1:]
        return np.asarray(top_left + x * (top_right - top_left) + y * (bottom_left - top_left))
    jaw, brows = face.landmarks[:17], face.landmarks[17:27]
    to_mouth = face.landmarks[[48, 54]].mean(axis=0) - face.eyes.mean(axis=0)
    lift = _FOREHEAD * (1 - 0.45 * np.linspace(-1, 1, 10) ** 2)
    points = np.concatenate([jaw, brows, brows - lift[:, None] * to_mouth])
    return np.asarray(cv2.convexHull(points.astype(np.float32))[:, 0], dtype=np.float64)

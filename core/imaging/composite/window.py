"""The part of a photo in which one face is put back, and the way from the crop into it."""

from dataclasses import dataclass

import cv2
import numpy as np

from core.imaging.align import Alignment

_SHRINK_TOLERANCE = 0.05


@dataclass(frozen=True)
class Window:
    """A rectangle of a photo.

    Attributes:
        left: first column.
        top: first row.
        right: column after the last.
        bottom: row after the last.
    """

    left: int
    top: int
    right: int
    bottom: int

    @property
    def empty(self) -> bool:
        """Whether it holds no pixel."""
        return self.right <= self.left or self.bottom <= self.top

    def cut(self, photo: np.ndarray) -> np.ndarray:
        """A view of the photo's pixels in it."""
        return photo[self.top : self.bottom, self.left : self.right]

    def meets(self, other: "Window") -> bool:
        """Whether both share a pixel."""
        return (
            max(self.left, other.left) < min(self.right, other.right)
            and max(self.top, other.top) < min(self.bottom, other.bottom)
        )  # fmt: skip


def window_around(points: np.ndarray, margin: float, alignment: Alignment, height: int, width: int) -> Window:
    """The rectangle around points with a margin, as far as the face's square and the photo reach.

    Args:
        points: [N, 2] float64, (x, y) in photo pixels.
        margin: in pixels.
        alignment: nothing is known of the restoration beyond its square.
        height: the photo's.
        width: the photo's.
    """
    low = np.maximum(points.min(axis=0) - margin, alignment.quad.min(axis=0))
    high = np.minimum(points.max(axis=0) + margin, alignment.quad.max(axis=0))
    left, top = np.maximum(np.floor(low), 0).astype(int)
    right, bottom = np.minimum(np.ceil(high), [width, height]).astype(int)
    return Window(int(left), int(top), int(right), int(bottom))


def square_coordinates(window: Window, alignment: Alignment) -> np.ndarray:
    """Where each of a window's pixels lies in a face's square, 0 … 1 across and down.

    Returns:
        [h, w, 2] float32.
    """
    top_left, bottom_left, _, top_right = alignment.quad
    across, down = top_right - top_left, bottom_left - top_left
    x = np.arange(window.left, window.right, dtype=np.float32) + np.float32(0.5 - top_left[0])
    y = np.arange(window.top, window.bottom, dtype=np.float32) + np.float32(0.5 - top_left[1])
    planes = []
    for axis in (across, down):
        unit = (axis / (axis @ axis)).astype(np.float32)
        planes.append(x[None, :] * unit[0] + y[:, None] * unit[1])
    return np.stack(planes, axis=-1)


def place(crop: np.ndarray, alignment: Alignment, window: Window) -> np.ndarray:
    """Bring a crop back into a window of its photo: the inverse of `align_face`, in one resampling.

    Where the crop has more pixels than the photo it is averaged down (the sample grid is finer than the photo's, as in
    `align_face`); it is never first enlarged.

    Args:
        crop: [S, S, 3] uint8 or float32.
        alignment: where it lies.
        window: of the photo.

    Returns:
        [h, w, 3] float32.
    """
    size = crop.shape[0]
    finer = max(1, int(np.ceil(size / alignment.side_pixels - _SHRINK_TOLERANCE)))
    height, width = window.bottom - window.top, window.right - window.left
    top_left, bottom_left, _, top_right = alignment.quad
    across, down = top_right - top_left, bottom_left - top_left
    # Crop pixel (u, v) has its centre at (u + ½)/S of the square; so has a photo pixel at + ½.
    rows = np.stack([size * across / (across @ across), size * down / (down @ down)])
    first = np.array([window.left, window.top]) + 0.5 / finer - top_left
    matrix = np.concatenate([rows / finer, (rows @ first - 0.5)[:, None]], axis=1)
    placed = cv2.warpAffine(
        crop.astype(np.float32),
        matrix,
        (width * finer, height * finer),
        flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    if finer > 1:
        placed = cv2.resize(placed, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(placed, dtype=np.float32)

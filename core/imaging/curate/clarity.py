"""How many pixels of detail a face really shows: a blurred crop of 500 may hold no more than one of 50.

A sharp face has about half as much curvature (variance of the Laplacian) at one size as at half that size; where the
crop holds no further detail, enlarging it leaves a tenth. The size at which the ratio falls through the middle is how
large the face is to a prior. The ratio cancels contrast and exposure, and since sizes are asked in rising order, noise
and JPEG blocks above a blur do not count as detail. An enlargement by whole pixels (a mosaic) does: its edges are real.
"""

import cv2
import numpy as np

from core.imaging.resize import resize_plane

_LEAST_RATIO = 0.2
"""Between what sharp faces keep per octave (0.4 … 0.5, medians of seven albums) and an enlargement (0.09 … 0.12)."""

_SIZES = tuple(round(16 * 2 ** (half / 2)) for half in range(13))
"""16 … 1,024 in half octaves."""

_TOP, _BOTTOM, _LEFT, _RIGHT = 0.28, 0.85, 0.20, 0.80
"""The face in FFHQ framing, without hair and background, as fractions."""


def clear_pixels(crop: np.ndarray) -> float:
    """The side, in pixels, up to which a crop shows detail.

    Args:
        crop: FFHQ framing, [S, S, 3] uint8.

    Returns:
        At least 32 … at most S. A face that is sharp to its last pixel gives S.
    """
    luma = crop.astype(np.float32) @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    curvature = [_curvature(resize_plane(luma, size)) for size in _SIZES]
    ratios = [now / max(before, 1e-9) for before, now in zip(curvature, curvature[2:], strict=False)]
    side = float(len(crop))
    above = None
    for size, ratio in zip(_SIZES[2:], ratios, strict=True):
        if ratio < _LEAST_RATIO:
            return min(side, size if above is None else _crossing(above, (size, ratio)))
        above = (size, ratio)
    return side


def _crossing(above: tuple[float, float], below: tuple[float, float]) -> float:
    """Where the line between two (size, ratio), both logarithmic, meets the least ratio."""
    (size, ratio), (next_size, next_ratio) = above, below
    share = np.log(ratio / _LEAST_RATIO) / np.log(ratio / max(next_ratio, 1e-9))
    return float(size * (next_size / size) ** share)


def _curvature(luma: np.ndarray) -> float:
    size = len(luma)
    response = cv2.Laplacian(luma, cv2.CV_32F)
    return float(np.var(response[int(_TOP * size) : int(_BOTTOM * size), int(_LEFT * size) : int(_RIGHT * size)]))

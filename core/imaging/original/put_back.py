"""Bringing an edit of the working copy back into the original: its space, its depth, its alpha.

What counts is the difference between the edit and the working copy. A pixel that the edit left alone keeps the
original's value to the last bit, even inside the mask; one that it changed becomes the edit's colour.
"""

from dataclasses import replace

import numpy as np

from core.imaging.original.photo import BAND_ROWS, Original
from core.imaging.original.space import from_srgb, seen_on_white, to_srgb

_FADE_LEVELS = 16.0
"""Change in grey levels from which nothing of what sRGB cannot hold (finer steps, stronger colours) is kept."""

_LEAST_ALPHA = 1 / 8
"""Below this opacity a change is not magnified any further: the colour under it can hardly be seen."""


def put_back(original: Original, edited: np.ndarray, mask: np.ndarray, top: int = 0, left: int = 0) -> Original:
    """Composite an edited region into the original.

    Args:
        original: not changed.
        edited: the region as it shall look where the mask is 1: [h, w, 3], sRGB on white like `original.working`;
            uint8, or float in grey levels of 0 … 255.
        mask: [h, w], bool or float in [0, 1]; where it is 0 the original's pixels stay as they are, byte by byte.
        top: the region's first row in the original.
        left: its first column.

    Returns:
        The original with other pixels; alpha is never changed.

    Raises:
        ValueError: the shapes do not fit each other, or the region lies outside the original.
    """
    height, width = mask.shape
    rows, columns = original.pixels.shape[:2]
    if edited.shape != (height, width, 3) or min(top, left) < 0 or top + height > rows or left + width > columns:
        raise ValueError(
            f"edit {edited.shape} and mask {mask.shape} at {top}, {left} do not fit a photo of {rows} × {columns}"
        )
    pixels = original.pixels.copy()
    for first in range(0, height, BAND_ROWS):
        band = slice(first, first + BAND_ROWS)
        if mask[band].any():
            target = pixels[top + first : top + min(first + BAND_ROWS, height), left : left + width]
            _put_band(target, replace(original, pixels=target), edited[band], mask[band])
    return replace(original, pixels=pixels)


def _put_band(target: np.ndarray, region: Original, edited: np.ndarray, mask: np.ndarray) -> None:
    colour, alpha = region.colour, region.alpha
    full = float(np.iinfo(colour.dtype).max)
    straight = to_srgb(colour, region.profile)
    change = edited.astype(np.float64) - seen_on_white(straight, alpha)
    if alpha is not None:
        # What is seen moves by alpha times what the colour moves.
        opaque = alpha / full
        change = np.where(opaque > 0, change / np.maximum(opaque, _LEAST_ALPHA), 0.0)
    channels = colour.shape[2]
    before = from_srgb(straight.astype(np.float64), region.profile, channels)
    after = from_srgb((straight + change).clip(0.0, 255.0), region.profile, channels)
    # The rest is what the working copy could not show. It belongs to pixels that are still what they were.
    own = colour / full
    still = (1.0 - np.abs(change).max(axis=2, keepdims=True) / _FADE_LEVELS).clip(0.0, 1.0)
    goal = after + still * (own - before)
    weight = mask.astype(np.float64)[..., None].clip(0.0, 1.0)
    mixed = ((own + weight * (goal - own)).clip(0.0, 1.0) * full).round().astype(colour.dtype)
    target[..., :channels] = np.where(weight > 0, mixed, colour)

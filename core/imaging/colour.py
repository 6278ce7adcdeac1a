"""Whose colours a restored face has.

A prior of colour portraits paints grey faces pink and sepia ones orange. With `preserve` it decides lightness alone:
black-and-white, sepia and tinted photos stay what they are, without anybody having to detect which they are.
"""

from typing import Literal, get_args

import cv2
import numpy as np

from core.imaging.oklab import from_oklab, to_oklab
from core.imaging.resize import resize

Colour = Literal["preserve", "free"]
COLOURS: tuple[Colour, ...] = get_args(Colour)

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""Rec. 601, for R, G, B."""

_WINDOW = 1 / 16
"""Side of the window in which chroma follows lightness, as a fraction of the face's square."""

_SMOOTHNESS = 0.02**2
"""Variance of lightness below which chroma is averaged instead of following it."""

_SAME_LIGHTNESS = 0.02
"""Difference of lightness at which the photo's own chroma, pixel by pixel, counts half."""

_STRIP_ROWS = 512
"""Worked on at a time, which bounds the memory for a face of thousands of pixels."""

_ARITHMETIC_LEVELS = 0.02
"""Channels nearer to each other than this differ by arithmetic, not by colour."""


def recolour(restored: np.ndarray, crop: np.ndarray, colour: Colour) -> np.ndarray:
    """Give a restored crop its colours; in a whole photo `core.imaging.composite` does it.

    Args:
        restored: [R, R, 3] uint8.
        crop: the photo's square, [S, S, 3] uint8.
        colour: preserve, or free for the restoration's own colours.

    Returns:
        [R, R, 3] uint8.
    """
    if colour == "free":
        return restored
    size = restored.shape[0]
    kept = keep_chroma(restored.astype(np.float32), resize(crop, size).astype(np.float32), size)
    return np.asarray(kept.round().clip(0, 255), dtype=np.uint8)


def keep_chroma(restored: np.ndarray, photo: np.ndarray, side_pixels: float) -> np.ndarray:
    """Lightness (Oklab) from a restoration, chroma from the photo, without the photo's colour noise.

    In each neighbourhood chroma is a linear function of lightness, fitted to the photo (a guided filter, He et al.
    2013) and read at the restored lightness. So a toned print keeps its tone in shadows and lights that the restoration
    moved. Where the restoration left the lightness alone, the photo's own chroma comes back.

    Args:
        restored: [h, w, 3] float32 in grey levels of 0 … 255.
        photo: the same place in the photo, alike.
        side_pixels: of the face's square, in these pixels; neighbourhoods are a sixteenth of it.

    Returns:
        [h, w, 3] float32 in 0 … 255; grey exactly where the photo is grey all around.
    """
    window = max(3, round(side_pixels * _WINDOW) | 1)
    height = len(restored)
    kept = np.empty(restored.shape, np.float32)
    for top in range(0, height, _STRIP_ROWS):
        # A strip knows as many rows around it as its pixels' neighbourhoods reach: the result does not show the strips.
        first, bottom = max(0, top - window), min(height, top + _STRIP_ROWS)
        strip = slice(first, min(height, bottom + window))
        kept[top:bottom] = _keep_chroma(restored[strip], photo[strip], window)[top - first : bottom - first]
    return kept


def _keep_chroma(restored: np.ndarray, photo: np.ndarray, window: int) -> np.ndarray:
    new = to_oklab(np.clip(restored, 0, 255) / 255)[..., :1]
    chroma = _chroma_at(new[..., 0], to_oklab(photo / 255), window)
    rgb = from_oklab(np.concatenate([new, chroma], axis=-1)) * 255
    spread = rgb.max(axis=-1, keepdims=True) - rgb.min(axis=-1, keepdims=True)
    return np.where(spread < _ARITHMETIC_LEVELS, rgb[..., 1:2], rgb)


def _chroma_at(lightness: np.ndarray, photo: np.ndarray, window: int) -> np.ndarray:
    """The photo's a and b, [h, w, 2] float32, read at another lightness."""
    guide = photo[..., 0]

    def mean(plane: np.ndarray) -> np.ndarray:
        return np.asarray(cv2.blur(plane, (window, window), borderType=cv2.BORDER_REFLECT_101))

    mean_guide = mean(guide)
    variance = np.maximum(mean(guide * guide) - mean_guide**2, 0)
    same = mean((lightness - guide) ** 2)
    kept = 1 / (1 + same / _SAME_LIGHTNESS**2)
    # Lightness that the neighbourhood does not have is no place to read its line at: that would make up colours.
    reach = 2 * np.sqrt(mean(variance)) + _SMOOTHNESS**0.5
    low, high = mean_guide - reach, mean_guide + reach
    planes = []
    for channel in (photo[..., 1], photo[..., 2]):
        mean_channel = mean(channel)
        slope = (mean(guide * channel) - mean_guide * mean_channel) / (variance + _SMOOTHNESS)
        offset = mean_channel - slope * mean_guide
        slope, offset = mean(slope), mean(offset)
        own_noise = channel - (slope * np.clip(guide, low, high) + offset)
        planes.append(slope * np.clip(lightness, low, high) + offset + kept * own_noise)
    return np.stack(planes, axis=-1).astype(np.float32)

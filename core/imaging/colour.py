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
"""Side of the window in which chroma follows lightness, as a fraction of the crop."""

_SMOOTHNESS = 0.02**2
"""Variance of lightness below which chroma is averaged instead of following it."""

_SAME_LIGHTNESS = 0.02
"""Difference of lightness at which the photo's own chroma, pixel by pixel, counts half."""

_ARITHMETIC_LEVELS = 0.02
"""Channels nearer to each other than this differ by arithmetic, not by colour."""


def recolour(restored: np.ndarray, crop: np.ndarray, colour: Colour) -> np.ndarray:
    """Give a restored face its colours.

    With `preserve`, lightness (Oklab) is the restoration's and chroma the photo's, without the photo's colour noise:
    in each neighbourhood chroma is a linear function of lightness, fitted to the photo (a guided filter, He et al.
    2013) and read at the restored lightness. So a toned print keeps its tone in shadows and lights that the restoration
    moved. Where the restoration left the lightness alone, the photo's own chroma comes back.

    Args:
        restored: [R, R, 3] uint8.
        crop: the photo's square, [S, S, 3] uint8.
        colour: preserve, or free for the restoration's own colours.

    Returns:
        [R, R, 3] uint8; grey exactly where the photo is grey all around.
    """
    if colour == "free":
        return restored
    size = restored.shape[0]
    new = to_oklab(restored.astype(np.float32) / 255)[..., 0]
    old = to_oklab(resize(crop, size).astype(np.float32) / 255)
    chroma = _chroma_at(new, old, size)
    rgb = from_oklab(np.concatenate([new[..., None], chroma], axis=-1)) * 255
    spread = rgb.max(axis=-1, keepdims=True) - rgb.min(axis=-1, keepdims=True)
    rgb = np.where(spread < _ARITHMETIC_LEVELS, rgb[..., 1:2], rgb)
    return np.asarray(rgb.round().clip(0, 255), dtype=np.uint8)


def _chroma_at(lightness: np.ndarray, photo: np.ndarray, size: int) -> np.ndarray:
    """[S, S, 2] float32: the photo's a and b, read at another lightness."""
    guide, side = photo[..., 0], max(3, round(size * _WINDOW) | 1)

    def mean(plane: np.ndarray) -> np.ndarray:
        return np.asarray(cv2.blur(plane, (side, side), borderType=cv2.BORDER_REFLECT_101))

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

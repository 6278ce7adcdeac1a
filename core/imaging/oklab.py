"""Oklab (Ottosson 2020; CSS Color 4): lightness and two chroma axes that eyes see as such."""

from collections.abc import Callable

import numpy as np

_TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ],
    dtype=np.float32,
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ],
    dtype=np.float32,
)
_FROM_LAB = np.linalg.inv(_TO_LAB.astype(np.float64)).astype(np.float32)
_FROM_CONES = np.linalg.inv(_TO_CONES.astype(np.float64)).astype(np.float32)

_BLOCK_PIXELS = 2**18

_GAMUT_STEPS = 12
_GAMUT_TOLERANCE = 2e-5


def to_oklab(rgb: np.ndarray) -> np.ndarray:
    """From sRGB to Oklab.

    Args:
        rgb: [..., 3] float32 sRGB in [0, 1].

    Returns:
        [..., 3] float32: L in [0, 1], a, b.
    """
    return _by_block(rgb, _encoded_to_lab)


def from_oklab(lab: np.ndarray) -> np.ndarray:
    """From Oklab to sRGB; colours that no screen shows lose chroma, never lightness or hue.

    Cutting the channels at 0 and 1 instead would turn dark saturated red into purple and light blue into cyan.

    Args:
        lab: [..., 3] float32.

    Returns:
        [..., 3] float32 in [0, 1].
    """
    return _by_block(lab, _lab_to_encoded)


def _by_block(colours: np.ndarray, convert: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Convert some pixels at a time: a face of three thousand pixels would need a gigabyte in one go."""
    flat = colours.reshape(-1, 3)
    converted = np.empty(flat.shape, np.float32)
    for start in range(0, len(flat), _BLOCK_PIXELS):
        converted[start : start + _BLOCK_PIXELS] = convert(flat[start : start + _BLOCK_PIXELS].astype(np.float32))
    return converted.reshape(colours.shape)


def _encoded_to_lab(rgb: np.ndarray) -> np.ndarray:
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((np.maximum(rgb, 0.04045) + 0.055) / 1.055) ** 2.4)
    return np.asarray(np.cbrt(linear @ _TO_CONES.T) @ _TO_LAB.T)


def _lab_to_encoded(lab: np.ndarray) -> np.ndarray:
    lab[:, 0] = np.clip(lab[:, 0], 0.0, 1.0)
    linear = _linear(lab)
    outside = np.flatnonzero(((linear < -_GAMUT_TOLERANCE) | (linear > 1 + _GAMUT_TOLERANCE)).any(axis=1))
    if outside.size:
        linear[outside] = _linear(_into_gamut(lab[outside]))
    linear = np.clip(linear, 0.0, 1.0)
    curve = 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055
    return np.asarray(np.where(linear <= 0.0031308, 12.92 * linear, curve))


def _linear(lab: np.ndarray) -> np.ndarray:
    return np.asarray((lab @ _FROM_LAB.T) ** 3 @ _FROM_CONES.T)


def _into_gamut(lab: np.ndarray) -> np.ndarray:
    """Bisect the chroma of each colour to the most that sRGB holds."""
    low, high = np.zeros((len(lab), 1), np.float32), np.ones((len(lab), 1), np.float32)
    for _ in range(_GAMUT_STEPS):
        middle = (low + high) / 2
        linear = _linear(np.concatenate([lab[:, :1], lab[:, 1:] * middle], axis=1))
        fits = ((linear >= 0) & (linear <= 1)).all(axis=1, keepdims=True)
        low, high = np.where(fits, middle, low), np.where(fits, high, middle)
    return np.concatenate([lab[:, :1], lab[:, 1:] * low], axis=1)

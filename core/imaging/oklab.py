"""Oklab (Ottosson 2020; CSS Color 4): lightness and two chroma axes that eyes see as such."""

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

_GAMUT_STEPS = 12
_GAMUT_TOLERANCE = 2e-5


def to_oklab(rgb: np.ndarray) -> np.ndarray:
    """From sRGB to Oklab.

    Args:
        rgb: [..., 3] float32 sRGB in [0, 1].

    Returns:
        [..., 3] float32: L in [0, 1], a, b.
    """
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((np.maximum(rgb, 0.04045) + 0.055) / 1.055) ** 2.4)
    return np.asarray(np.cbrt(linear.astype(np.float32) @ _TO_CONES.T) @ _TO_LAB.T)


def from_oklab(lab: np.ndarray) -> np.ndarray:
    """From Oklab to sRGB; colours that no screen shows lose chroma, never lightness or hue.

    Cutting the channels at 0 and 1 instead would turn dark saturated red into purple and light blue into cyan.

    Args:
        lab: [..., 3] float32.

    Returns:
        [..., 3] float32 in [0, 1].
    """
    flat = lab.reshape(-1, 3).astype(np.float32)
    flat = np.concatenate([np.clip(flat[:, :1], 0.0, 1.0), flat[:, 1:]], axis=1)
    linear = _linear(flat)
    outside = np.flatnonzero(((linear < -_GAMUT_TOLERANCE) | (linear > 1 + _GAMUT_TOLERANCE)).any(axis=1))
    if outside.size:
        linear[outside] = _linear(_into_gamut(flat[outside]))
    linear = np.clip(linear, 0.0, 1.0)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)
    return np.asarray(encoded.reshape(lab.shape), dtype=np.float32)


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

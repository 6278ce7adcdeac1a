"""Grain: a restored face is cleaner than the photo around it, and shows as a patch. What is missing is added.

Noise is measured where the photo is untouched and where the face lay, before and after. Amount and coarseness follow
those numbers; the noise itself comes from a generator that is passed in.
"""

from functools import cache

import cv2
import numpy as np

from core.imaging.colour import LUMA
from core.imaging.detail import IMMERKAER, noise_response

_LEAST_PIXELS = 64
_DARKEST, _LIGHTEST = 3.0, 252.0
"""Clipped pixels have no noise to be measured."""

_INVISIBLE_LEVELS = 0.3

_COARSENESS = tuple(np.arange(0.0, 0.85, 0.1).round(1))
"""Standard deviations, in pixels, of the blur that makes white noise into grain. Above, hair would pass for grain."""


def add_grain(
    photo: np.ndarray, placed: np.ndarray, outside: np.ndarray, inside: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Add the noise that a restored face lacks: in luminance, and in colour as far as the photo's is coloured.

    The aim is the surroundings' noise, but never more than the face itself had: cloth beside it is not grain.

    Args:
        photo: [h, w, 3] float32, in grey levels of 0 … 255.
        placed: the restoration in the photo's frame, alike.
        outside: [h, w] bool, untouched photo.
        inside: [h, w] bool, restored.
        rng: all randomness.

    Returns:
        [h, w, 3] float32; `placed` itself where nothing is missing.
    """
    before, after = _planes(photo), _planes(placed)
    valid = (before[0] > _DARKEST) & (before[0] < _LIGHTEST)
    outside, within = outside & valid, inside & valid
    if min(int(outside.sum()), int(within.sum())) < _LEAST_PIXELS:
        return placed
    grain = [_missing(old, new, outside, within, rng) for old, new in zip(before, after, strict=True)]
    if not any(noise.any() for noise in grain):
        return placed
    luminance, red, blue = grain
    green = luminance - LUMA[0] * red - LUMA[2] * blue
    return np.asarray(placed + np.stack([green + red, green, green + blue], axis=-1), dtype=np.float32)


def _planes(image: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Luminance and two colour differences, which are exactly 0 for grey."""
    green = image[..., 1]
    return image @ LUMA, image[..., 0] - green, image[..., 2] - green


def _missing(
    before: np.ndarray, after: np.ndarray, outside: np.ndarray, within: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    wanted, coarse = (min(_sigma(before, outside, step), _sigma(before, within, step)) for step in (1, 2))
    lacking = np.sqrt(max(0.0, wanted**2 - _sigma(after, within, 1) ** 2))
    if lacking < _INVISIBLE_LEVELS:
        return np.zeros_like(before)
    blur = float(np.interp(coarse / wanted, [_gains(b)[1] / _gains(b)[0] for b in _COARSENESS], _COARSENESS))
    noise = rng.standard_normal(before.shape, dtype=np.float32)
    if blur > 0.05:
        noise = cv2.GaussianBlur(noise, (0, 0), blur)
    return np.asarray(noise * (lacking / _gains(round(blur, 2))[0]), dtype=np.float32)


def _sigma(plane: np.ndarray, where: np.ndarray, step: int) -> float:
    """Standard deviation of the noise in some pixels, of the plane itself or of its half-size average."""
    if step == 2:
        height, width = (side // 2 * 2 for side in plane.shape)
        half = (width // 2, height // 2)
        plane = cv2.resize(plane[:height, :width], half, interpolation=cv2.INTER_AREA)
        where = cv2.resize(where[:height, :width].astype(np.uint8), half, interpolation=cv2.INTER_AREA) > 0
    response = noise_response(plane)[where]
    return float(np.median(response)) / 0.6745 / 6.0 if response.size else 0.0


@cache
def _gains(blur: float) -> tuple[float, float]:
    """What `_sigma` finds in white noise of standard deviation 1 after that blur, at full and at half size."""
    impulse = np.zeros((33, 33))
    impulse[16, 16] = 1.0
    blurred = cv2.GaussianBlur(impulse, (0, 0), blur) if blur > 0.05 else impulse
    halved = cv2.filter2D(blurred, -1, np.full((2, 2), 0.25))
    apart = np.zeros((5, 5))
    apart[::2, ::2] = IMMERKAER
    full, half = cv2.filter2D(blurred, -1, IMMERKAER.astype(np.float64)), cv2.filter2D(halved, -1, apart)
    return float(np.linalg.norm(full)) / 6.0, float(np.linalg.norm(half)) / 6.0

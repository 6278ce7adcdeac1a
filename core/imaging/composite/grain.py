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

_INVISIBLE_LEVELS, _MOST_LEVELS = 0.3, 10.0
"""Less is not seen; more (a newspaper's halftone, a night shot's noise) would bury what was restored."""

_COARSENESS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
"""Standard deviations, in pixels, of the blur that makes white noise into grain. What looks coarser is hair and cloth:
taken for grain it would put six levels of blotches on the faces of a sharp photo."""


def add_grain(
    photo: np.ndarray,
    placed: np.ndarray,
    outside: np.ndarray,
    inside: np.ndarray,
    rng: np.random.Generator,
    amount: float = 1.0,
) -> np.ndarray:
    """Add the noise that a restored face lacks: in luminance, and in colour as far as the photo's is coloured.

    The aim is the surroundings' noise, but never more than the face itself had (cloth beside it is not grain), nor more
    than ten levels.

    Args:
        photo: [h, w, 3] float32, in grey levels of 0 … 255.
        placed: the restoration in the photo's frame, alike.
        outside: [h, w] bool, untouched photo.
        inside: [h, w] bool, restored.
        rng: all randomness.
        amount: 0 … 1, how much of what is missing.

    Returns:
        [h, w, 3] float32; `placed` itself where nothing is missing.
    """
    before, after = photo @ LUMA, placed @ LUMA
    valid = (before > _DARKEST) & (before < _LIGHTEST)
    outside, within = outside & valid, inside & valid
    if min(int(outside.sum()), int(within.sum())) < _LEAST_PIXELS:
        return placed
    luminance = _missing(before, after, outside, within, rng)
    differences = []
    for channel in (0, 2):  # from green: exactly 0 in a grey photo
        old, new = photo[..., channel] - photo[..., 1], placed[..., channel] - placed[..., 1]
        # A sepia print's grain is brown: what goes with the luminance is no noise of its own.
        tint = _slope(before, old, outside | within)
        own = _missing(old - tint * before, new - tint * after, outside, within, rng)
        differences.append(tint * luminance + own)
    if not luminance.any() and not any(noise.any() for noise in differences):
        return placed
    red, blue = differences
    green = luminance - LUMA[0] * red - LUMA[2] * blue
    added = np.stack([green + red, green, green + blue], axis=-1)
    return np.asarray(placed + np.float32(amount) * added, dtype=np.float32)


def _slope(luminance: np.ndarray, difference: np.ndarray, where: np.ndarray) -> float:
    """How much a colour difference's noise follows the luminance's; edges, which are no noise, are left out."""
    x, y = noise_response(luminance)[where], noise_response(difference)[where]
    calm = np.abs(x) <= 4 * np.median(np.abs(x))
    return float((x[calm] * y[calm]).sum() / max(float((x[calm] ** 2).sum()), 1e-6))


def _missing(
    before: np.ndarray, after: np.ndarray, outside: np.ndarray, within: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    wanted, coarse = (min(_sigma(before, outside, step), _sigma(before, within, step)) for step in (1, 2))
    wanted_levels = min(wanted, _MOST_LEVELS)
    lacking = np.sqrt(max(0.0, wanted_levels**2 - _sigma(after, within, 1) ** 2))
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
    response = np.abs(noise_response(plane)[where])
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

"""Fine detail above the prior's resolution: the photo's own, where it is detail and not noise.

A prior of R pixels says nothing about frequencies beyond R. What the photo holds there is added to the enlarged
restoration only as far as it stands out of the photo's noise, and only where the restored band still is the
photo's: a Wiener gain times a consistency gate. A degraded photo has nothing there, and nothing is added.
"""

import cv2
import numpy as np

from core.imaging.resize import resize, resize_plane

_WINDOW_FRACTION = 1 / 64
"""Side of the window for local statistics, as a fraction of the crop."""

_QUIET_PERCENT = 20
_DARKEST, _LIGHTEST = 3.0, 252.0
"""Clipped pixels are quiet whatever the noise."""

_NOISE_MARGIN = 2.0
"""Detail must have more than this many times the noise's variance to pass; at twice, pure noise is cut 10 ×."""

_LEAST_GRID_PIXELS = 32
_CONSISTENCY_LEVELS = 14.0
"""Difference of the low bands, in grey levels, at which the photo's detail counts half."""

IMMERKAER = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], dtype=np.float32)
"""Second difference across of the second difference down: planes and parabolas cancel, noise does not."""


def merge_detail(restored: np.ndarray, crop: np.ndarray, grid: float = 0.0) -> np.ndarray:
    """Bring a restored face to the size of the photo's crop.

    Args:
        restored: the prior's output, [R, R, 3] uint8.
        crop: the photo's aligned crop, [S, S, 3] uint8.
        grid: of the photo the crop was cut from, see `grid_level`: turned, its blocks are not to be measured any more.

    Returns:
        [S, S, 3] uint8; for S ≤ R the restored face at S, without anything added.
    """
    size, resolution = crop.shape[0], restored.shape[0]
    enlarged = resize(restored, size)
    if size <= resolution:
        return enlarged
    luminance = _luminance(crop)
    low = resize_plane(resize_plane(luminance, resolution), size)
    high = luminance - low
    gain = _wiener_gain(high, luminance, size, grid) * _consistency(low, _luminance(enlarged), size)
    # Luminance alone: above the prior's resolution, chroma in photos is mostly the sensor's and the codec's.
    merged = enlarged.astype(np.float32) + (gain * high)[..., None]
    return np.asarray(merged.round().clip(0, 255), dtype=np.uint8)


def noise_level(luminance: np.ndarray) -> float:
    """Standard deviation of the photo's noise in grey levels (Immerkær 1996, with a median instead of a mean).

    The mask cancels everything that is locally linear or quadratic; the median ignores edges. JPEG's 8-pixel grid
    is measured apart, since it is flat inside the blocks: the larger of the two counts.

    Args:
        luminance: [S, S] float32 in grey levels.
    """
    response = np.abs(noise_response(luminance)[1:-1, 1:-1])
    sigma = float(np.median(response)) / 0.6745 / 6.0
    return max(sigma, _blocking_level(luminance))


def grid_level(image: np.ndarray) -> float:
    """How strong a photo's 8-pixel JPEG grid is, in grey levels; to be asked before the photo is turned.

    Args:
        image: [H, W, 3] uint8, the photo or a part of it.
    """
    return _blocking_level(_luminance(image)) if min(image.shape[:2]) >= _LEAST_GRID_PIXELS else 0.0


def noise_response(plane: np.ndarray) -> np.ndarray:
    """How much each pixel differs from what its eight neighbours say: noise passes with six times its deviation.

    Args:
        plane: [H, W] float32.

    Returns:
        [H, W] float32, of either sign.
    """
    return np.asarray(cv2.filter2D(plane, cv2.CV_32F, IMMERKAER))


def _blocking_level(luminance: np.ndarray) -> float:
    """How much larger steps are across the strongest 8-pixel phase than elsewhere, in grey levels."""
    level = 0.0
    for plane in (luminance, luminance.T):
        steps = np.abs(np.diff(plane, axis=1)).mean(axis=0)
        phases = np.array([steps[phase::8].mean() for phase in range(8)])
        strongest = int(phases.argmax())
        level = max(level, float(phases[strongest] - np.delete(phases, strongest).mean()))
    return level


def _luminance(image: np.ndarray) -> np.ndarray:
    """Rec. 601 luma, [S, S] float32 in 0 … 255."""
    return np.asarray(image.astype(np.float32) @ np.array([0.299, 0.587, 0.114], dtype=np.float32))


def _wiener_gain(high: np.ndarray, luminance: np.ndarray, size: int, grid: float) -> np.ndarray:
    """1 − noise variance over local variance, at least 0: [S, S] float32.

    How much of the photo's noise lies in this band is not to be told from its level: grain, and noise that was
    enlarged with the photo, have little there, and it is all there is. So it is also read from the band itself, where
    that is quietest: a fifth of a face shows no detail.
    """
    window = max(3, round(size * _WINDOW_FRACTION) | 1)
    variance = cv2.GaussianBlur(high * high, (0, 0), window / 2)
    unclipped = variance[(luminance > _DARKEST) & (luminance < _LIGHTEST)]
    quiet = float(np.percentile(unclipped, _QUIET_PERCENT)) if unclipped.size else 0.0
    noise = max(max(noise_level(luminance), grid) ** 2, quiet)
    return np.asarray(np.clip(1.0 - _NOISE_MARGIN * noise / np.maximum(variance, 1e-6), 0.0, 1.0))


def _consistency(low: np.ndarray, restored: np.ndarray, size: int) -> np.ndarray:
    """1 where the restored low band is the photo's, falling to 0 where it was redrawn: [S, S] float32."""
    difference = cv2.GaussianBlur((restored - low) ** 2, (0, 0), max(1.0, size / 64))
    return np.asarray(1.0 / (1.0 + difference / _CONSISTENCY_LEVELS**2))

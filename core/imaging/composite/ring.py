"""Matching a restored face to its surroundings: what differs in the ring is taken away, smoothly, from all of it."""

import cv2
import numpy as np

_WORKING_PIXELS = 96
"""The field is smooth: a small copy gives it as well as the photo's pixels, and much faster."""

_REACH = 0.2
"""Standard deviation of the smoothing, as a fraction of the window's longer side."""

_OUTLIER_LEVELS = 24.0
"""Around the ring's median; what differs by more (a scratch, a hand, hair drawn anew) counts as this much."""


def shift_to_ring(photo: np.ndarray, placed: np.ndarray, ring: np.ndarray) -> np.ndarray:
    """The smooth field that brings a restoration to the photo's level in the ring.

    A membrane from the ring inwards, by normalised convolution: a shift that is the same all around is found exactly,
    one that differs from side to side is followed.

    Args:
        photo: [h, w, 3] float32, in grey levels of 0 … 255.
        placed: the restoration in the photo's frame, alike.
        ring: [h, w] bool, where both are compared.

    Returns:
        [h, w, 3] float32, to be added to `placed`; 0 where the ring is empty.
    """
    height, width = ring.shape
    if not ring.any():
        return np.zeros_like(placed)
    difference = photo - placed
    middle = np.median(difference[ring], axis=0)
    bounded = np.clip(difference - middle, -_OUTLIER_LEVELS, _OUTLIER_LEVELS)
    scale = min(1.0, _WORKING_PIXELS / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    inside = ring.astype(np.float32)
    small_sum = cv2.resize(bounded * inside[..., None], size, interpolation=cv2.INTER_AREA)
    small_count = cv2.resize(inside, size, interpolation=cv2.INTER_AREA)
    sigma = _REACH * max(size)
    blurred_sum = cv2.GaussianBlur(small_sum, (0, 0), sigma, borderType=cv2.BORDER_CONSTANT)
    blurred_count = cv2.GaussianBlur(small_count, (0, 0), sigma, borderType=cv2.BORDER_CONSTANT)
    field = blurred_sum / np.maximum(blurred_count, 1e-6)[..., None]
    smooth = cv2.resize(field, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(smooth + middle, dtype=np.float32)

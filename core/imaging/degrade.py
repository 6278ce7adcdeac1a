"""Deliberate degradations of clean faces: for benchmarks and for scoring checkpoints on held-out photos.

Never used for training a prior or a subject checkpoint: the method assumes nothing about the degradation.
"""

import io
from typing import Literal, get_args

import cv2
import numpy as np
from PIL import Image

Degradation = Literal["blur", "noise", "down4", "jpeg", "mix"]
DEGRADATIONS: tuple[Degradation, ...] = get_args(Degradation)

_REFERENCE_SIDE_PIXELS = 128


def degrade(
    image: np.ndarray, kind: Degradation, rng: np.random.Generator, face_pixels: float | None = None
) -> np.ndarray:
    """Degrade a photo; blur widths are stated for a face crop of 128 pixels a side and scale with the face's.

    Args:
        image: [H, W, 3] uint8.
        kind: blur (Gaussian, σ 1.5 … 3), noise (σ 15 … 35 levels), down4 (area ×¼, bicubic back), jpeg (quality
            8 … 20), mix (blur, ×½ … ¼, noise σ 5 … 15, jpeg 20 … 50, in that order).
        rng: all randomness.
        face_pixels: side of the face's FFHQ square in the photo; None where the image is that square.

    Returns:
        [H, W, 3] uint8.
    """
    scale = (face_pixels or image.shape[0]) / _REFERENCE_SIDE_PIXELS
    if kind == "blur":
        return blur(image, rng.uniform(1.5, 3.0) * scale)
    if kind == "noise":
        return add_noise(image, rng.uniform(15, 35), rng)
    if kind == "down4":
        return shrink_and_enlarge(image, 4.0)
    if kind == "jpeg":
        return jpeg(image, int(rng.integers(8, 21)))
    worse = blur(image, rng.uniform(0.7, 1.8) * scale)
    worse = shrink_and_enlarge(worse, rng.uniform(2.0, 4.0))
    worse = add_noise(worse, rng.uniform(5, 15), rng)
    return jpeg(worse, int(rng.integers(20, 51)))


def blur(image: np.ndarray, sigma_pixels: float) -> np.ndarray:
    """Gaussian, reflected at the borders."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma_pixels, borderType=cv2.BORDER_REFLECT_101))


def add_noise(image: np.ndarray, sigma_levels: float, rng: np.random.Generator) -> np.ndarray:
    """White Gaussian, rounded to 256 levels."""
    noisy = image.astype(np.float64) + rng.normal(0.0, sigma_levels, image.shape)
    return noisy.round().clip(0, 255).astype(np.uint8)


def shrink_and_enlarge(image: np.ndarray, factor: float) -> np.ndarray:
    """By a factor: area, and bicubic back."""
    height, width = image.shape[:2]
    small = cv2.resize(image, (round(width / factor), round(height / factor)), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC))


def jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    """Encoded as JPEG, 4:2:0, and decoded."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer, formats=("JPEG",)).convert("RGB"))

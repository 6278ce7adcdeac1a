"""Changing an image's size with an anti-aliasing filter."""

import numpy as np
from PIL import Image


def resize(image: np.ndarray, size: int) -> np.ndarray:
    """Resize to a square with Lanczos, whose support widens when shrinking (no aliasing).

    Args:
        image: [H, W, 3] uint8.
        size: the new side in pixels.

    Returns:
        [size, size, 3] uint8; the same array where nothing changes.
    """
    if image.shape[:2] == (size, size):
        return image
    return np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.LANCZOS))


def resize_plane(plane: np.ndarray, size: int) -> np.ndarray:
    """Resize one float channel to a square, without rounding to 256 levels.

    Args:
        plane: [H, W] float32.
        size: the new side in pixels.

    Returns:
        [size, size] float32.
    """
    if plane.shape == (size, size):
        return plane
    picture = Image.fromarray(plane.astype(np.float32))
    return np.asarray(picture.resize((size, size), Image.Resampling.LANCZOS), dtype=np.float32)

"""Turning a photo as its camera was held (EXIF orientation, 1 … 8)."""

import numpy as np
from PIL import Image

ORIENTATION_TAG = 0x0112


def orientation_of(picture: Image.Image) -> int:
    """The orientation that the file states; 1 (upright) where it states none, or nonsense."""
    try:
        orientation = picture.getexif().get(ORIENTATION_TAG, 1)
    except Exception:  # broken EXIF raises anything: the pixels are none the worse
        return 1
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


def turn(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Bring pixels as stored to how they are looked at.

    Args:
        pixels: [H, W] or [H, W, C], any type.
        orientation: EXIF's, 1 … 8; from 5 on, height and width change places.

    Returns:
        The same values, contiguous.
    """
    if orientation >= 5:  # stored by columns
        pixels = pixels.swapaxes(0, 1)
    # Then EXIF names the corner at which the stored rows begin: it decides about the two mirrors.
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)

"""Perceptual hash of an aligned crop (DCT hash, Zauner 2010): alike for copies, whatever their size or exposure."""

import cv2
import numpy as np

from core.imaging.resize import resize_plane

_SIDE_PIXELS, _KEPT = 32, 8
_INNER = (0.15, 0.90)
BITS = 2 * (_KEPT * _KEPT - 1)


def fingerprint(crop: np.ndarray) -> np.ndarray:
    """Hash the crop and its inner part: hair and background in one, the face in the other.

    Args:
        crop: FFHQ framing, [S, S, 3] uint8.

    Returns:
        [126] bool: each low frequency above the median of its part or not. The mean is left out, so that exposure
        counts nothing.
    """
    luma = crop.astype(np.float32) @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    start, stop = (round(side * len(luma)) for side in _INNER)
    return np.concatenate([_hash(luma), _hash(np.ascontiguousarray(luma[start:stop, start:stop]))])


def _hash(luma: np.ndarray) -> np.ndarray:
    spectrum = cv2.dct(resize_plane(luma, _SIDE_PIXELS))[:_KEPT, :_KEPT].ravel()[1:]
    return np.asarray(spectrum > np.median(spectrum))

"""A no-reference number for how much fine detail a face shows."""

import cv2
import numpy as np

from core.imaging.resize import resize

_SIDE_PIXELS = 128


def sharpness(image: np.ndarray) -> float:
    """The variance of the Laplacian of the luminance (Pertuz et al. 2013, operator LAP4), at 128 pixels a side.

    The common size makes crops of different sizes comparable; noise counts as sharpness, so compare within one
    photo, beside the denoising residual.

    Args:
        image: [S, S, 3] uint8.

    Returns:
        At least 0; in squared grey levels.
    """
    grey = cv2.cvtColor(resize(image, _SIDE_PIXELS), cv2.COLOR_RGB2GRAY)
    return float(np.var(cv2.Laplacian(grey, cv2.CV_64F)))

"""Whether two faces are the same person's, by dlib's embedding (King 2017).

A number, never a gate: dlib's usual threshold of 0.6 would match strangers on grey or degraded faces.
"""

import dlib
import numpy as np

from core.imaging.models import landmark_predictor, recognition_network
from core.imaging.resize import resize

_SIDE_PIXELS = 256
_FACE_BOX = (0.18, 0.30, 0.76, 0.89)
"""Where dlib's detector puts the box in an FFHQ crop: left, top, right, bottom as fractions; median of 116 crops."""


def embed_aligned(crop: np.ndarray) -> np.ndarray:
    """Describe a crop in FFHQ framing.

    The landmarks are placed from the framing's own face box instead of a detector's: a degraded crop in which no
    detector finds a face is described all the same, and before and after are measured alike.

    Args:
        crop: [S, S, 3] uint8.

    Returns:
        [128] float64.
    """
    scaled, shape = _predicted(crop)
    return np.asarray(recognition_network().compute_face_descriptor(scaled, shape))


def landmarks_of_aligned(crop: np.ndarray) -> np.ndarray:
    """The 68 landmarks of a crop in FFHQ framing, placed as for `embed_aligned`.

    Args:
        crop: [S, S, 3] uint8.

    Returns:
        [68, 2] float64, (x, y) as fractions of the crop's side.
    """
    shape = _predicted(crop)[1]
    return np.array([(shape.part(i).x, shape.part(i).y) for i in range(68)], dtype=np.float64) / _SIDE_PIXELS


def _predicted(crop: np.ndarray) -> tuple[np.ndarray, "dlib.full_object_detection"]:
    scaled = np.ascontiguousarray(resize(crop, _SIDE_PIXELS))
    left, top, right, bottom = (round(side * _SIDE_PIXELS) for side in _FACE_BOX)
    return scaled, landmark_predictor()(scaled, dlib.rectangle(left, top, right, bottom))


def identity(one: np.ndarray, other: np.ndarray) -> float:
    """How alike two faces are: 1 − Euclidean distance of their embeddings.

    1 for the same picture; dlib's conventional "same person" (distance 0.6) is 0.4; it can fall below 0.

    Args:
        one: [128] float64.
        other: [128] float64.
    """
    return 1.0 - float(np.linalg.norm(one - other))

"""Whether landmarks can be those of a face: detectors also find faces in cloth, leaves and stones."""

import numpy as np

from core.imaging.faces.face import Face

_DROP = (0.55, 2.6)
"""Eyes to mouth, across the line of the eyes, in eye distances; 80 faces of albums: 0.86 … 1.52, near profile 2.1."""

_SIDESTEP = 0.75
"""Eyes to mouth, along the line of the eyes, in eye distances; there at most 0.31."""

_BOX_WIDTH = (1.3, 6.0)
"""The box's width in eye distances; there 1.9 … 4.1."""


def plausible(face: Face, height: int, width: int) -> bool:
    """Whether a find has a face's proportions and lies in the photo.

    Args:
        face: with 68 or five landmarks.
        height: the photo's, in pixels.
        width: the photo's, in pixels.
    """
    mouth = face.mouth
    apart = face.eye_distance_pixels
    if mouth is None or apart <= 0:
        return False
    left, right = face.eyes
    along = (right - left) / apart
    down = np.array([-along[1], along[0]])
    drop_vector = (mouth.mean(axis=0) - (left + right) / 2) / apart
    # Eyes above the mouth as the face stands, whichever way the head leans.
    upright = _DROP[0] <= float(drop_vector @ down) <= _DROP[1] and abs(float(drop_vector @ along)) <= _SIDESTEP
    box_width = (face.box[2] - face.box[0]) / apart
    points = np.concatenate([face.eyes, mouth.mean(axis=0, keepdims=True)])
    inside = bool(((points >= 0) & (points <= [width, height])).all())
    return upright and _BOX_WIDTH[0] <= box_width <= _BOX_WIDTH[1] and inside

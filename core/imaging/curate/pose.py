"""Which way a face looks, from its landmarks: a rigid head seen from far away (scaled orthography).

Enough to tell front, three-quarter view and beyond. It saturates near 45 degrees: in a profile dlib's landmarks keep
the far eye in sight where there is none.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from core.imaging.curate.thresholds import CurationThresholds

View = Literal["front", "left", "right", "left_profile", "right_profile"]
Tilt = Literal["level", "up", "down"]

_HEAD = np.array(
    [
        (-0.50, 0.00, 0.00),  # eye, left in the picture
        (0.50, 0.00, 0.00),  # eye, right
        (0.00, 0.62, 0.55),  # tip of the nose
        (-0.45, 1.02, 0.12),  # corner of the mouth, left
        (0.45, 1.02, 0.12),  # corner, right
        (0.00, 1.84, 0.05),  # chin
    ]
)
"""In eye distances: right, down, towards us. Along the face, medians of the 40 faces of `albums_raw` that look at us;
depths are anthropometric (the nose 35 mm before the eyes, which are 63 mm apart)."""


@dataclass(frozen=True)
class Pose:
    """Which way a face looks, in degrees.

    Attributes:
        yaw: towards the right of the picture, negative towards its left.
        pitch: up, negative down.
        roll: leaning clockwise in the photo, before it was turned upright.
    """

    yaw: float
    pitch: float
    roll: float

    def view(self, limits: CurationThresholds) -> View:
        """By its yaw."""
        if abs(self.yaw) <= limits.frontal_degrees:
            return "front"
        if abs(self.yaw) <= limits.profile_degrees:
            return "left" if self.yaw < 0 else "right"
        return "left_profile" if self.yaw < 0 else "right_profile"

    def tilt(self, limits: CurationThresholds) -> Tilt:
        """By its pitch."""
        if abs(self.pitch) <= limits.tilted_degrees:
            return "level"
        return "up" if self.pitch > 0 else "down"


def pose_of(landmarks: np.ndarray) -> Pose:
    """Fit the head to six of a face's landmarks; to the five that YuNet gives: then the pitch is a guess.

    Args:
        landmarks: [68, 2] or [5, 2] float64 in any unit, x right, y down.
    """
    if len(landmarks) == len(_HEAD) - 1:
        seen = landmarks  # eyes, nose and mouth, in the head's order; the chin is not known
    else:
        eyes = np.stack([landmarks[36:42].mean(axis=0), landmarks[42:48].mean(axis=0)])
        seen = np.concatenate([eyes, landmarks[[30, 48, 54, 8]]])
    head = _HEAD[: len(seen)]
    roll = roll_of(seen[:2])
    cosine, sine = np.cos(np.radians(roll)), np.sin(np.radians(roll))
    upright = (seen - seen.mean(axis=0)) @ np.array([[cosine, -sine], [sine, cosine]])
    camera = np.linalg.lstsq(head - head.mean(axis=0), upright, rcond=None)[0].T  # [2, 3]
    # The nearest matrix with orthogonal rows of one length.
    left, _, right = np.linalg.svd(camera, full_matrices=False)
    across, down = left @ right
    forward = np.array([across[2], down[2], np.cross(across, down)[2]])
    yaw = np.degrees(np.arctan2(forward[0], forward[2]))
    pitch = np.degrees(np.arcsin(np.clip(-forward[1], -1.0, 1.0)))
    return Pose(float(yaw), float(pitch), roll)


def roll_of(eyes: np.ndarray) -> float:
    """How far a face leans clockwise, in degrees.

    Args:
        eyes: [2, 2] float64, the one that is left in the picture first.
    """
    along = eyes[1] - eyes[0]
    return float(np.degrees(np.arctan2(along[1], along[0])))

"""Light and expression of a face, coarsely: enough to say that an album has only one kind."""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from core.imaging.curate.thresholds import CurationThresholds
from core.imaging.resize import resize

LightKind = Literal["even", "dark", "bright", "from_the_left", "from_the_right"]
ExpressionKind = Literal["closed", "smiling", "open"]

_SIDE_PIXELS = 128


@dataclass(frozen=True)
class Light:
    """How a face is lit.

    Attributes:
        level: median luma of the face, 0 … 255.
        side: luma of the half on the picture's right minus the left one's, over their mean.
        warmth: mean of red minus blue over mean luma; 0 in black and white.
    """

    level: float
    side: float
    warmth: float

    def kind(self, limits: CurationThresholds) -> LightKind:
        """The most conspicuous property."""
        if abs(self.side) > limits.side_light:
            return "from_the_right" if self.side > 0 else "from_the_left"
        if self.level < limits.dark_level:
            return "dark"
        return "bright" if self.level > limits.bright_level else "even"


@dataclass(frozen=True)
class Expression:
    """What a face does.

    Attributes:
        mouth_open: height of the inner lips over their width.
        mouth_width: between the corners, in eye distances.
        eyes_open: the eyes' aspect ratio (Soukupová & Čech 2016); about 0.3, closed below 0.15.
    """

    mouth_open: float
    mouth_width: float
    eyes_open: float

    def kind(self, limits: CurationThresholds) -> ExpressionKind:
        """Of the mouth; a smile that shows teeth is a smile."""
        if self.mouth_width > limits.smile_width:
            return "smiling"
        return "open" if self.mouth_open > limits.open_mouth else "closed"


def light_of(crop: np.ndarray, landmarks: np.ndarray) -> Light:
    """Measure the skin between brows and chin, left and right of the nose.

    Args:
        crop: FFHQ framing, [S, S, 3] uint8.
        landmarks: [68, 2] float64 as fractions of the side.
    """
    picture = resize(crop, _SIDE_PIXELS).astype(np.float32)
    points = (landmarks * _SIDE_PIXELS).round().astype(np.int32)
    luma = picture @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    inner = _filled(points[0:27])  # the jaw and the brows
    ridge = [points[27], points[30], points[8]]
    left = _filled(np.array([*points[17:22], *ridge, *points[7::-1]])) & inner
    right = inner & ~left
    means = [float(luma[part].mean()) if part.any() else 0.0 for part in (left, right)]
    mean = max(1.0, sum(means) / 2)
    red_less_blue = float((picture[..., 0] - picture[..., 2])[inner].mean()) if inner.any() else 0.0
    level = float(np.median(luma[inner])) if inner.any() else 0.0
    return Light(level, (means[1] - means[0]) / mean, red_less_blue / mean)


def expression_of(landmarks: np.ndarray) -> Expression:
    """Measure mouth and eyes.

    Args:
        landmarks: [68, 2] float64 in any unit.
    """
    apart = _length(landmarks[42:48].mean(axis=0) - landmarks[36:42].mean(axis=0))
    lips = _length(landmarks[64] - landmarks[60])
    eyes = [
        (_length(eye[1] - eye[5]) + _length(eye[2] - eye[4])) / (2 * max(_length(eye[3] - eye[0]), 1e-9))
        for eye in (landmarks[36:42], landmarks[42:48])
    ]
    return Expression(
        mouth_open=_length(landmarks[66] - landmarks[62]) / max(lips, 1e-9),
        mouth_width=_length(landmarks[54] - landmarks[48]) / max(apart, 1e-9),
        eyes_open=sum(eyes) / 2,
    )


def _filled(points: np.ndarray) -> np.ndarray:
    mask = np.zeros((_SIDE_PIXELS, _SIDE_PIXELS), np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(points), 1)
    return mask.astype(bool)


def _length(vector: np.ndarray) -> float:
    return float(np.linalg.norm(vector))

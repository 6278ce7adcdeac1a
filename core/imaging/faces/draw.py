"""A photo with its faces drawn in: what `heirloom faces` shows."""

from collections.abc import Sequence

import cv2
import numpy as np

from core.imaging.faces.face import EyeVerdict, Face

_COLOURS: dict[EyeVerdict, tuple[int, int, int]] = {
    "enough": (40, 220, 80),
    "small": (255, 190, 0),
    "too_small": (255, 60, 60),
}
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def draw_faces(image: np.ndarray, faces: Sequence[Face], quads: Sequence[np.ndarray] = ()) -> np.ndarray:
    """Draw each face's box, landmarks, number and eye distance.

    Green has pixels enough, orange has few, red is too small to be restored.

    Args:
        image: [H, W, 3] uint8 RGB; not changed.
        faces: numbered from 0 as they come.
        quads: the squares that would be cut out, [4, 2] each in photo pixels; drawn in white.

    Returns:
        [H, W, 3] uint8.
    """
    drawn = np.ascontiguousarray(image.copy())
    thickness = max(1, round(max(image.shape[:2]) / 600))
    for quad in quads:
        cv2.polylines(drawn, [quad.round().astype(np.int32)], True, (255, 255, 255), thickness, cv2.LINE_AA)
    for number, face in enumerate(faces):
        colour = _COLOURS[face.verdict]
        left, top, right, bottom = (round(side) for side in face.box)
        cv2.rectangle(drawn, (left, top), (right, bottom), colour, thickness, cv2.LINE_AA)
        for x, y in face.landmarks:
            cv2.circle(drawn, (round(x), round(y)), thickness, colour, -1, cv2.LINE_AA)
        label = f"{number}: {face.eye_distance_pixels:.0f} px"
        size = float(np.clip((right - left) / 160, 0.35, 3.0))
        # Below the box where there is no room above it.
        _, text_height = cv2.getTextSize(label, _FONT, size, thickness)[0]
        baseline = top - 4 if top - 4 - text_height >= 0 else bottom + 4 + text_height
        cv2.putText(drawn, label, (left, baseline), _FONT, size, (0, 0, 0), thickness + 2, cv2.LINE_AA)
        cv2.putText(drawn, label, (left, baseline), _FONT, size, colour, thickness, cv2.LINE_AA)
    return drawn

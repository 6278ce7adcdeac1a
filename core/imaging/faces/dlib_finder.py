"""dlib's HOG detector and its 68 landmarks: comes with the installation, works offline."""

from dataclasses import dataclass

import cv2
import dlib
import numpy as np

from core.imaging.faces.boxes import face_in_box
from core.imaging.faces.face import Box, Face
from core.imaging.faces.plausible import plausible
from core.imaging.faces.pyramid import Reach, Sighting, merge_scales, search
from core.imaging.models import detector, landmark_predictor

_COARSEST_SIDE_PIXELS = 1_400
"""dlib makes a pyramid of its own downwards, so the first copy may be large: it shows faces from 1/17 of it upwards."""

_WINDOW_PIXELS = 80
"""dlib's smallest face box; smaller faces need the photo enlarged."""

_SMALL_PHOTO_SIDE_PIXELS = 900
"""Up to this side a photo is enlarged three times: thumbnails and old prints have faces of 30 pixels."""

_SURE_SCORE, _WEAK_SCORE = 0.5, 0.2
_BLUR_PIXELS, _BLURRED_THRESHOLD = 1.2, -0.25
_PORTRAIT_FRACTION = 0.25
"""Of the photo's shorter side: a guess that large is a portrait in bad condition, a small one a window or a leaf."""

_BOX_THRESHOLD = -0.5
"""In a box that a person drew there is a face: a guess of the detector's is better than none."""


@dataclass(frozen=True)
class DlibFaceFinder:
    """dlib's HOG detector over a scale pyramid, then its 68-point predictor.

    Every scale is searched, from the photo's own (or 1,400 pixels) up to the finest. Where none shows a face, slightly
    blurred copies are tried with a lower threshold, since noise and JPEG blocks hide gradients; only a face that fills
    a good part of the photo is believed then.

    Attributes:
        finest_scale: see `Reach`; at 2 the smallest faces are 40 pixels wide, their eyes some 16 pixels apart.
    """

    finest_scale: float = 2.0

    def find(self, image: np.ndarray) -> list[Face]:
        """See `FaceFinder.find`."""
        height, width = image.shape[:2]
        small = max(height, width) <= _SMALL_PHOTO_SIDE_PIXELS
        finest = max(self.finest_scale, 3.0) if small else self.finest_scale
        scales = Reach(_COARSEST_SIDE_PIXELS, finest).scales(height, width)
        sightings = self._over(image, scales, 0.0)
        if not sightings:
            blurred = cv2.GaussianBlur(image, (0, 0), _BLUR_PIXELS)
            least = _PORTRAIT_FRACTION * min(height, width)
            guesses = self._over(blurred, scales[:2], _BLURRED_THRESHOLD)
            sightings = [guess for guess in guesses if guess.face.box[2] - guess.face.box[0] >= least]
        return _without_guesses(sightings)

    def _over(self, image: np.ndarray, scales: list[float], threshold: float) -> list[Sighting]:
        levels = [search(image, scale, lambda tile: _detect(tile, threshold)) for scale in scales]
        height, width = image.shape[:2]
        return merge_scales([[face for face in faces if plausible(face, height, width)] for faces in levels])

    def in_box(self, image: np.ndarray, box: Box) -> Face:
        """See `Landmarker.in_box`.

        People draw boxes around heads, the predictor wants eyebrows to chin: where the detector sees a face in the box,
        even unsurely, its own box is used, else the given one. Landmarks that no face can have leave the eyes where
        they usually lie in a box.
        """

        def find(picture: np.ndarray, inside: Box) -> list[Face]:
            rectangle = dlib.rectangle(*(round(side) for side in inside))
            return [*_detect(picture, _BOX_THRESHOLD), _predict(picture, rectangle, 0.0)]

        return face_in_box(image, box, find)


def _detect(picture: np.ndarray, threshold: float) -> list[Face]:
    if min(picture.shape[:2]) < _WINDOW_PIXELS // 2:
        return []
    boxes, scores, _ = detector().run(picture, 0, threshold)
    found = sorted(zip(boxes, scores, strict=True), key=lambda find: -find[1])
    return [_predict(picture, box, float(score)) for box, score in found]


def _predict(picture: np.ndarray, box: "dlib.rectangle", score: float) -> Face:
    shape = landmark_predictor()(picture, box)
    points = np.array([(shape.part(i).x, shape.part(i).y) for i in range(68)], dtype=np.float64)
    return Face(points, (box.left(), box.top(), box.right(), box.bottom()), score)


def _without_guesses(sightings: list[Sighting]) -> list[Face]:
    """Drop weak finds beside sure ones: on faces alone a weak find is real as often as not, beside one it is cloth.

    A weak find that only one enlarged copy shows is cloth more often still; two copies that agree are believed.
    """
    if any(sighting.face.score > _SURE_SCORE for sighting in sightings):
        sightings = [
            sighting
            for sighting in sightings
            if sighting.face.score > (_WEAK_SCORE if 0 in sighting.scales or len(sighting.scales) > 1 else _SURE_SCORE)
        ]
    return [sighting.face for sighting in sightings]

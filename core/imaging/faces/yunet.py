"""OpenCV's YuNet (Wu et al. 2023): five landmarks, permissive licence, its file supplied by the operator."""

import math
from pathlib import Path

import cv2
import numpy as np

from core.domain.errors import PriorUnavailableError
from core.imaging.faces.boxes import face_in_box
from core.imaging.faces.face import Box, Face
from core.imaging.faces.plausible import plausible
from core.imaging.faces.pyramid import Reach, merge_scales, search

_COARSEST_SIDE_PIXELS = 320
"""Its largest anchors are some 256 pixels: a face that fills the photo is seen in a small copy only."""

_LARGEST_BOX_PIXELS = 300
"""In one copy; larger finds in a copy that is not the coarsest are pieces of pattern taken for a huge face."""

_BEST_BOX_PIXELS = 250
"""In one copy: there the landmarks are nearest to dlib's, by 6 % of the eye distance; at 32 … 64 pixels by 9 %."""

_NMS_OVERLAP = 0.3
_CANDIDATES = 100_000
"""Before OpenCV's own suppression; far above what a tile can hold, so that no crowd is cut."""

_BOX_SCORE = 0.3
"""In a box that a person drew there is a face: a guess of the network's is better than none."""


class YuNetFinder:
    """YuNet over a scale pyramid."""

    def __init__(self, model: Path, threshold: float = 0.8, finest_scale: float = 2.0) -> None:
        """Load the network.

        Args:
            model: `face_detection_yunet_*.onnx` or `yunet_n_640_640.onnx`.
            threshold: least score, 0 … 1. On 211 real photos all above 0.8 were faces; hands and letters reached 0.79.
            finest_scale: see `Reach`.

        Raises:
            PriorUnavailableError: the file is absent or no such network.
        """
        if not model.is_file():
            raise PriorUnavailableError(
                f"The face detector {model} does not exist.",
                "Download YuNet from OpenCV's model zoo and name its file, or use dlib, which is installed.",
            )
        try:
            self._network = cv2.FaceDetectorYN.create(str(model), "", (320, 320), threshold, _NMS_OVERLAP, _CANDIDATES)
        except cv2.error as error:
            raise PriorUnavailableError(
                f"The face detector {model} cannot be read as a YuNet network.",
                "Download it again from OpenCV's model zoo (face_detection_yunet).",
            ) from error
        self._threshold, self._finest_scale = threshold, finest_scale

    def find(self, image: np.ndarray) -> list[Face]:
        """See `FaceFinder.find`."""
        height, width = image.shape[:2]
        scales = Reach(_COARSEST_SIDE_PIXELS, self._finest_scale).scales(height, width)
        levels = []
        for scale in scales:
            largest = np.inf if scale == scales[0] else _LARGEST_BOX_PIXELS / scale
            found = search(image, scale, lambda tile: self._detect(tile, self._threshold))
            fitting = [face for face in found if face.box[2] - face.box[0] <= largest]
            levels.append([face for face in fitting if plausible(face, height, width)])

        def rank(level: int, face: Face) -> float:
            return abs(math.log((face.box[2] - face.box[0]) * scales[level] / _BEST_BOX_PIXELS))

        return [sighting.face for sighting in merge_scales(levels, rank)]

    def in_box(self, image: np.ndarray, box: Box) -> Face:
        """See `Landmarker.in_box`; where nothing is found in the box, the eyes are where they usually lie in one."""

        def find(picture: np.ndarray, _: Box) -> list[Face]:
            return sorted(self._detect(picture, _BOX_SCORE), key=lambda face: face.score, reverse=True)

        return face_in_box(image, box, find)

    def _detect(self, picture: np.ndarray, threshold: float) -> list[Face]:
        height, width = picture.shape[:2]
        self._network.setInputSize((width, height))
        self._network.setScoreThreshold(threshold)
        rows = self._network.detect(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1]
        faces = []
        for row in np.empty((0, 15)) if rows is None else rows.astype(np.float64):
            left, top, across, down = row[:4]
            # YuNet begins with the right eye of a person who looks at us: the left one in the picture.
            faces.append(Face(row[4:14].reshape(5, 2), (left, top, left + across, top + down), float(row[14])))
        return faces

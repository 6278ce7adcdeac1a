"""Finding faces: boxes, landmarks, and whether the photo has pixels enough for them."""

from core.imaging.faces.boxes import eyes_of_box
from core.imaging.faces.dlib_finder import DlibFaceFinder
from core.imaging.faces.draw import draw_faces
from core.imaging.faces.face import (
    GOOD_EYE_DISTANCE_PIXELS,
    MIN_EYE_DISTANCE_PIXELS,
    Box,
    EyeVerdict,
    Face,
    FaceFinder,
)
from core.imaging.faces.given import Landmarker, choose, face_of_eyes
from core.imaging.faces.plausible import plausible
from core.imaging.faces.yunet import YuNetFinder

__all__ = [
    "GOOD_EYE_DISTANCE_PIXELS",
    "MIN_EYE_DISTANCE_PIXELS",
    "Box",
    "DlibFaceFinder",
    "EyeVerdict",
    "Face",
    "FaceFinder",
    "Landmarker",
    "YuNetFinder",
    "choose",
    "draw_faces",
    "eyes_of_box",
    "face_of_eyes",
    "plausible",
]

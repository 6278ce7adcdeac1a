"""dlib's three networks, found without importing their package and loaded once.

`face_recognition_models` imports `pkg_resources`, which setuptools 84 no longer has: only its folder is used.
The 68-point model's data excludes commercial use (`heirloom doctor` says so).
"""

import importlib.util
from functools import cache
from pathlib import Path

import dlib

from core.domain.errors import PriorUnavailableError


def _model(name: str) -> str:
    spec = importlib.util.find_spec("face_recognition_models")
    folders = spec.submodule_search_locations if spec else None
    path = Path(folders[0]) / "models" / name if folders else None
    if path is None or not path.is_file():
        raise PriorUnavailableError(
            "The face models are not installed.", "Install Heirloom again: `make setup` in its checkout brings them."
        )
    return str(path)


@cache
def detector() -> "dlib.fhog_object_detector":
    """HOG frontal face detector (Dalal & Triggs 2005; King 2015)."""
    return dlib.get_frontal_face_detector()


@cache
def landmark_predictor() -> "dlib.shape_predictor":
    """68 points by regression trees (Kazemi & Sullivan 2014)."""
    return dlib.shape_predictor(_model("shape_predictor_68_face_landmarks.dat"))


@cache
def recognition_network() -> "dlib.face_recognition_model_v1":
    """128 numbers per face, trained with a metric loss (King 2017)."""
    return dlib.face_recognition_model_v1(_model("dlib_face_recognition_resnet_model_v1.dat"))

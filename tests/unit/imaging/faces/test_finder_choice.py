import pickle

import numpy as np
import pytest

from core.domain.errors import PriorUnavailableError, SettingsError
from core.imaging.faces.open import LICENCES, FinderChoice, _BySize, open_finder


class Recorder:
    """Remembers what it was asked to look at."""

    def __init__(self):
        self.seen = []

    def find(self, image):
        self.seen.append(image.shape)
        return []

    def in_box(self, image, box):
        self.seen.append((image.shape, box))
        return


def test_dlib_needs_no_file_and_finds_the_portrait_s_face(portrait):
    (face,) = open_finder().find(portrait)
    assert len(face.landmarks) == 68
    assert open_finder("dlib").in_box(portrait, face.box).source == "box"


def test_yunet_is_opened_from_its_file(portrait, shared):
    finder = open_finder("yunet", shared / "weights" / "yunet_n_640_640.onnx")
    (face,) = finder.find(portrait)
    assert len(face.landmarks) == 5


def test_yunet_without_its_file_is_refused_with_the_setting_s_name(tmp_path):
    with pytest.raises(PriorUnavailableError, match="file was not named") as caught:
        open_finder("yunet")
    assert "HEIRLOOM_YUNET_MODEL" in caught.value.advice
    with pytest.raises(PriorUnavailableError, match="does not exist"):
        open_finder("yunet", tmp_path / "absent.onnx")


def test_a_start_finds_out_that_the_file_is_no_network(tmp_path):
    (tmp_path / "yunet.onnx").write_bytes(b"no network")
    with pytest.raises(SettingsError, match=r"HEIRLOOM_YUNET_MODEL: .*cannot be read"):
        FinderChoice("yunet", tmp_path / "yunet.onnx").check()
    FinderChoice().check()


def test_a_choice_travels_to_another_process():
    assert pickle.loads(pickle.dumps(FinderChoice())) == FinderChoice()  # noqa: S301  # written one line above


def test_one_choice_is_opened_once():
    assert FinderChoice().open() is FinderChoice().open()


def test_large_photos_are_searched_no_finer_than_they_are():
    usual, large = Recorder(), Recorder()
    finder = _BySize(usual, large, most_pixels=100)
    finder.find(np.zeros((10, 10, 3), np.uint8))
    finder.find(np.zeros((10, 11, 3), np.uint8))
    finder.in_box(np.zeros((10, 11, 3), np.uint8), (1, 2, 3, 4))
    assert usual.seen == [(10, 10, 3)]
    assert large.seen == [(10, 11, 3), ((10, 11, 3), (1, 2, 3, 4))]


def test_every_finder_s_licence_is_stated():
    assert set(LICENCES) == {"dlib", "yunet"}
    assert (FinderChoice().licence.commercial_use, FinderChoice("yunet").licence.commercial_use) == (False, True)

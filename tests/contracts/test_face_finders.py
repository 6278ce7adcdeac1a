"""One suite for every `FaceFinder`: dlib, which is installed, and YuNet, whose file lies in the shared material."""

import cv2
import numpy as np
import pytest
from skimage.data import astronaut

from core.domain.errors import PriorUnavailableError
from core.imaging.align import alignment_of_face
from core.imaging.faces import DlibFaceFinder, YuNetFinder, choose
from core.imaging.intake import decode_photo

EYES = np.array([[203.8, 100.5], [247.2, 103.0]])
"""The astronaut's pupils, read off the enlarged picture by eye: left and right in the picture."""


@pytest.fixture(scope="module", params=["dlib", "yunet"])
def finder(request):
    if request.param == "dlib":
        return DlibFaceFinder()
    return YuNetFinder(request.getfixturevalue("shared") / "weights" / "yunet_n_640_640.onnx")


@pytest.fixture(scope="module")
def portrait():
    return np.ascontiguousarray(astronaut())


def _beside(*pictures):
    height = max(picture.shape[0] for picture in pictures)
    return np.concatenate(
        [cv2.copyMakeBorder(p, 0, height - p.shape[0], 0, 0, cv2.BORDER_CONSTANT, value=(128,) * 3) for p in pictures],
        axis=1,
    )


def _scaled(picture, factor):
    kind = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return cv2.resize(picture, None, fx=factor, fy=factor, interpolation=kind)


def test_the_eyes_lie_where_a_person_sees_them(finder, portrait):
    (face,) = finder.find(portrait)
    assert np.abs(face.eyes - EYES).max() < 4
    assert face.eye_distance_pixels == pytest.approx(np.linalg.norm(EYES[1] - EYES[0]), rel=0.15)
    assert face.verdict == "enough"


def test_the_mouth_lies_under_the_eyes_and_its_left_corner_comes_first(finder, portrait):
    (face,) = finder.find(portrait)
    assert face.mouth[0, 0] < face.mouth[1, 0]
    assert face.mouth[:, 1].min() > face.eyes[:, 1].max()


def test_both_backends_frame_a_face_alike(finder, portrait):
    (face,) = finder.find(portrait)
    (reference,) = DlibFaceFinder().find(portrait)
    quad, expected = alignment_of_face(face).quad, alignment_of_face(reference).quad
    assert np.abs(quad - expected).max() < 0.1 * alignment_of_face(reference).side_pixels


def test_a_small_face_beside_a_large_one_is_found(finder, portrait):
    group = _beside(_scaled(portrait, 2), _scaled(portrait, 0.42))
    faces = finder.find(group)
    assert len(faces) == 2
    assert faces[0].eye_distance_pixels > 4 * faces[1].eye_distance_pixels


def test_thirty_faces_are_thirty_faces(finder, portrait):
    row = _beside(*[_scaled(portrait[:256], 0.6)] * 6)
    crowd = np.concatenate([row] * 5)
    faces = finder.find(crowd)
    assert len(faces) == 30
    corners = {tuple((face.eyes.mean(axis=0) // [307, 154]).astype(int)) for face in faces}
    assert len(corners) == 30


def test_a_face_across_a_tile_s_border_is_found_once(finder, portrait):
    wide = np.full((600, 5_000, 3), 128, np.uint8)
    places = list(range(200, 4_700, 500))
    for x in places:
        wide[100:380, x : x + 200] = portrait[:280, 120:320]
    assert len(finder.find(wide)) == len(places)


def test_a_leaning_head_is_found_and_framed_upright(finder, portrait):
    turn = cv2.getRotationMatrix2D((223, 120), 15, 1.0)
    turned = cv2.warpAffine(portrait, turn, (512, 512), borderMode=cv2.BORDER_REFLECT_101)
    (face,) = finder.find(turned)
    expected = np.hstack([EYES, np.ones((2, 1))]) @ turn.T
    assert np.abs(face.eyes - expected).max() < 5


def test_no_face_is_found_where_there_is_none(finder):
    rng = np.random.default_rng(0)
    assert finder.find(rng.integers(0, 256, (300, 400, 3), dtype=np.uint8)) == []
    assert finder.find(np.full((200, 300, 3), 90, np.uint8)) == []


@pytest.mark.parametrize("shape", [(1, 1), (3, 900), (40, 40)])
def test_tiny_and_narrow_pictures_have_no_face(finder, shape):
    assert finder.find(np.zeros((*shape, 3), np.uint8)) == []


def test_a_grey_photo_s_face_is_found(finder, portrait):
    grey = np.repeat(cv2.cvtColor(portrait, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=-1)
    assert len(finder.find(grey)) == 1


def test_the_photo_is_not_changed(finder, portrait):
    before = portrait.copy()
    finder.find(portrait)
    assert np.array_equal(before, portrait)


@pytest.mark.parametrize("box", [(170, 70, 280, 185), (140, 20, 310, 220), (180, 85, 265, 170)])
def test_in_a_box_drawn_by_hand_the_eyes_are_found(finder, portrait, box):
    face = finder.in_box(portrait, box)
    assert face.source == "box"
    assert face.box == box
    assert np.abs(face.eyes - EYES).max() < 5


def test_a_box_without_a_face_leaves_the_eyes_where_they_usually_lie(finder):
    empty = np.full((300, 300, 3), 90, np.uint8)
    face = finder.in_box(empty, (100, 100, 200, 200))
    (left, left_y), (right, right_y) = face.eyes
    assert 110 < left < 145
    assert 155 < right < 190
    assert 120 < (left_y + right_y) / 2 < 150
    assert abs(right_y - left_y) < 10


def test_a_named_box_wins_over_detection(finder, portrait):
    group = _beside(portrait, portrait)
    (face,) = choose(group, finder, boxes=[(682, 70, 792, 185)], landmarker=finder)
    assert np.abs(face.eyes - EYES - [512, 0]).max() < 5


def test_every_face_that_a_person_sees_in_the_real_group_photos_is_found(finder, shared):
    by_eye = {
        "diffbir_Harry_Potter.jpg": 3,
        "diffbir_Queen.jpeg": 4,
        "diffbir_real47_1.jpg": 3,
        "gfpgan_10045.jpg": 3,
        "msold_scratch_d.png": 2,
        "vqfr_example.jpg": 3,
    }
    folder = shared / "photos" / "degraded" / "whole"
    found = {name: len(finder.find(decode_photo((folder / name).read_bytes()))) for name in by_eye}
    assert found == by_eye


def test_no_face_is_invented_in_buildings_and_boats(finder, shared):
    folder = shared / "photos" / "degraded" / "whole"
    for name in ("msold_d.jpg", "msold_f.jpg"):
        assert finder.find(decode_photo((folder / name).read_bytes())) == []


def test_an_absent_or_foreign_network_says_what_to_do(tmp_path):
    with pytest.raises(PriorUnavailableError, match="does not exist") as caught:
        YuNetFinder(tmp_path / "yunet.onnx")
    assert "model zoo" in caught.value.advice
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no network")
    with pytest.raises(PriorUnavailableError, match="cannot be read"):
        YuNetFinder(broken)

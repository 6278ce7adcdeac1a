import numpy as np
import pytest

from core.domain.errors import ImageTooLargeError
from core.imaging.decode_pool import DecodePool
from core.imaging.detection import detect_faces, draw_detected
from core.imaging.faces import DlibFaceFinder
from core.imaging.faces.open import FinderChoice
from core.imaging.intake import Limits, decode_photo, encode

DLIB = FinderChoice()


@pytest.fixture(scope="module")
def photo(portrait):
    return encode(portrait)


@pytest.fixture(scope="module")
def found(photo):
    return detect_faces(photo, None, DLIB)


def test_a_face_is_described_as_its_finder_saw_it(found, portrait):
    (face,) = found.faces
    (seen,) = DlibFaceFinder().find(portrait)
    assert (found.width, found.height, face.index) == (512, 512, 0)
    assert np.allclose(face.eyes, seen.eyes)
    assert np.allclose(face.landmarks, seen.landmarks)
    assert face.box == tuple(seen.box)
    assert (face.verdict, face.view, face.tilt) == ("enough", "front", "level")
    assert face.eye_distance_pixels == pytest.approx(seen.eye_distance_pixels)


def test_the_square_holds_the_face_and_is_one(found):
    (face,) = found.faces
    quad = np.array(face.quad)
    sides = np.linalg.norm(quad - np.roll(quad, 1, axis=0), axis=1)
    assert np.allclose(sides, sides[0])
    assert (np.array(face.eyes) > quad.min(axis=0)).all()
    assert (np.array(face.eyes) < quad.max(axis=0)).all()


def test_a_photo_without_a_face_has_none(found):
    assert detect_faces(encode(np.full((60, 80, 3), 90, np.uint8)), None, DLIB).faces == ()


def test_what_five_points_cannot_tell_is_not_told(photo, shared):
    choice = FinderChoice("yunet", shared / "weights" / "yunet_n_640_640.onnx")
    (face,) = detect_faces(photo, None, choice).faces
    assert (face.view, face.tilt, len(face.landmarks)) == ("front", None, 5)


def test_faces_are_found_in_the_pool_as_they_are_here(photo, found):
    with DecodePool() as pool:
        assert pool.run(detect_faces, photo, None, DLIB) == found
        with pytest.raises(ImageTooLargeError):
            pool.run(detect_faces, photo, Limits(max_pixels=100), DLIB)


def test_a_drawing_has_the_photo_s_size_and_marks_the_face(photo, found, portrait):
    described, drawn = draw_detected(photo, None, DLIB, "png")
    assert described == found
    changed = (decode_photo(drawn) != portrait).any(axis=2)
    assert 0.001 < changed.mean() < 0.2
    assert draw_detected(photo, None, DLIB, None) == (found, b"")

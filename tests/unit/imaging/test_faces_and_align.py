import sys

import cv2
import numpy as np
import pytest

from core.domain.errors import BadInputError, FaceTooSmallError, NoFaceDetectedError, PriorUnavailableError
from core.imaging.align import Alignment, align_face, aligned_crop, alignment_of, largest_face_crop
from core.imaging.embedding import embed_aligned, identity
from core.imaging.faces import DlibFaceFinder
from core.imaging.intake import decode_photo
from core.imaging.models import landmark_predictor
from core.imaging.sharpness import sharpness


@pytest.fixture(scope="module")
def found(portrait):
    return largest_face_crop(portrait, DlibFaceFinder())


def test_the_one_face_is_found_once(portrait):
    (face,) = DlibFaceFinder().find(portrait)
    assert 35 < face.eye_distance_pixels < 60
    left, top, right, bottom = face.box
    assert 150 < (left + right) / 2 < 290
    assert 60 < (top + bottom) / 2 < 200


def test_a_small_face_is_found_by_enlarging(portrait):
    small = cv2.resize(portrait, None, fx=0.35, fy=0.35, interpolation=cv2.INTER_AREA)
    (face,) = DlibFaceFinder().find(small)
    assert face.eye_distance_pixels < 20


def test_two_people_are_two_faces_the_larger_first(portrait):
    smaller = cv2.resize(portrait, None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA)
    both = np.full((512, 512 + smaller.shape[1], 3), 128, np.uint8)
    both[: smaller.shape[0], : smaller.shape[1]] = smaller
    both[:, smaller.shape[1] :] = portrait
    faces = DlibFaceFinder().find(both)
    assert len(faces) == 2
    assert faces[0].eye_distance_pixels > faces[1].eye_distance_pixels


def test_a_picture_without_a_face_is_refused_with_advice():
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    with pytest.raises(NoFaceDetectedError, match="send it as aligned"):
        largest_face_crop(noise, DlibFaceFinder())


def test_a_face_of_too_few_pixels_is_refused(portrait):
    class Finder:
        def find(self, _image):
            (face,) = DlibFaceFinder().find(portrait)
            return [type(face)(face.landmarks / 5, tuple(side / 5 for side in face.box), face.score)]

    with pytest.raises(FaceTooSmallError, match="pixels apart"):
        largest_face_crop(portrait[::5, ::5], Finder())


def test_the_square_is_upright_on_the_eyes_and_centred(found):
    quad = found.alignment.quad
    sides = np.linalg.norm(quad - np.roll(quad, 1, axis=0), axis=1)
    assert np.ptp(sides) < 1e-9
    centre = quad.mean(axis=0)
    eyes = (found.face.landmarks[36:42].mean(axis=0) + found.face.landmarks[42:48].mean(axis=0)) / 2
    assert abs(centre[0] - eyes[0]) < 0.1 * found.alignment.side_pixels


def test_a_turned_photo_gives_the_same_crop(portrait, found):
    turn = cv2.getRotationMatrix2D((220, 130), 20, 1.0)
    turned = cv2.warpAffine(portrait, turn, (512, 512), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    points = np.hstack([found.face.landmarks, np.ones((68, 1))]) @ turn.T
    crop = align_face(turned, alignment_of(points), 128)
    straight = align_face(portrait, found.alignment, 128)
    middle = (slice(20, 108),) * 2
    assert np.abs(crop[middle].astype(int) - straight[middle]).mean() < 3


def test_the_identity_square_gives_the_picture_back(portrait):
    whole = Alignment(np.array([[0.0, 0], [0, 512], [512, 512], [512, 0]]))
    assert np.array_equal(align_face(portrait, whole, 512), portrait)


def test_shrinking_averages_instead_of_skipping_pixels():
    board = np.zeros((256, 256, 3), np.uint8)
    board[::2, ::2] = board[1::2, 1::2] = 255
    whole = Alignment(np.array([[0.0, 0], [0, 256], [256, 256], [256, 0]]))
    grey = align_face(board, whole, 32)[2:-2, 2:-2]
    assert np.abs(grey.astype(int) - 128).max() <= 2


def test_beyond_the_border_the_picture_is_mirrored_and_not_black(portrait):
    bright = np.full_like(portrait, 200)
    beyond = Alignment(np.array([[-100.0, -100], [-100, 156], [156, 156], [156, -100]]))
    assert align_face(bright, beyond, 64).min() == 200


def test_an_aligned_crop_must_be_square_and_large_enough(portrait):
    assert aligned_crop(portrait).shape == (512, 512, 3)
    assert aligned_crop(portrait[:500]).shape == (500, 500, 3)
    with pytest.raises(BadInputError, match="square"):
        aligned_crop(portrait[:300])
    with pytest.raises(FaceTooSmallError):
        aligned_crop(portrait[:20, :20])


def test_a_face_is_more_like_itself_than_like_another(portrait, found, shared):
    own = embed_aligned(found.crop)
    blurred = embed_aligned(cv2.GaussianBlur(found.crop, (0, 0), 2))
    other = shared / "photos" / "albums_aligned" / "roger_federer" / "00.jpg"
    stranger = embed_aligned(decode_photo(other.read_bytes()))
    assert identity(own, own) == 1
    assert identity(own, blurred) > 0.4 > identity(own, stranger)


def test_an_aligned_album_photo_is_realigned_to_nearly_itself(shared):
    folder = shared / "photos" / "albums_aligned" / "roger_federer"
    identical = np.array([[0.0, 0], [0, 256], [256, 256], [256, 0]])
    distances = []
    for path in sorted(folder.glob("*.jpg"))[:8]:
        crop = largest_face_crop(decode_photo(path.read_bytes()), DlibFaceFinder())
        distances.append(np.abs(crop.alignment.quad - identical).mean())
    assert np.median(distances) < 15


def test_a_size_rounded_down_is_as_sharp_as_one_rounded_up(portrait):
    def cut(side):
        corner = np.array([90.0, 60.0])
        quad = corner + side * np.array([[0, 0], [0, 1], [1, 1], [1, 0]], dtype=float)
        return sharpness(align_face(portrait, Alignment(quad), 200))

    assert cut(200.3) == pytest.approx(cut(199.7), rel=0.1)


def test_absent_face_models_say_how_to_install_them(monkeypatch):
    monkeypatch.setitem(sys.modules, "face_recognition_models", None)
    with pytest.raises(PriorUnavailableError) as caught:
        landmark_predictor.__wrapped__()
    assert caught.value.message == "The face models are not installed."
    assert caught.value.advice == "Install Heirloom again: `make setup` in its checkout brings them."

import numpy as np
import pytest

from core.domain.errors import BadInputError
from core.imaging.align import alignment_of_box, alignment_of_face
from core.imaging.faces import DlibFaceFinder, choose, draw_faces, eyes_of_box, face_of_eyes


class NoFinder:
    def find(self, _image):
        raise AssertionError("what a person names wins over detection")


def test_named_eyes_are_taken_as_they_are_without_detection():
    photo = np.zeros((200, 300, 3), np.uint8)
    (face,) = choose(photo, NoFinder(), eyes=[((160, 90), (120, 100))])
    assert face.eyes.tolist() == [[120, 100], [160, 90]]
    assert face.source == "eyes"
    assert face.mouth is None


def test_faces_come_in_the_order_in_which_they_are_named(portrait):
    boxes = [(180, 85, 265, 170), (140, 20, 310, 220)]
    faces = choose(portrait, NoFinder(), boxes=boxes, eyes=[((10, 10), (40, 10))], landmarker=DlibFaceFinder())
    assert [face.box for face in faces[:2]] == boxes
    assert faces[2].source == "eyes"


def test_nothing_named_is_everything_found(portrait):
    assert len(choose(portrait, DlibFaceFinder())) == 1


def test_the_eyes_alone_give_nearly_the_square_of_all_landmarks(portrait):
    (face,) = DlibFaceFinder().find(portrait)
    (left, right) = (tuple(eye) for eye in face.eyes)
    square = alignment_of_face(face_of_eyes((left, right), 512, 512))
    whole = alignment_of_face(face)
    assert np.abs(square.quad - whole.quad).max() < 0.12 * whole.side_pixels


def test_a_leaning_pair_of_eyes_turns_the_square():
    flat, leaning = face_of_eyes(((40, 50), (80, 50)), 100, 200), face_of_eyes(((40, 50), (68, 78)), 100, 200)
    across = np.diff(alignment_of_face(leaning).quad[[0, 3]], axis=0)[0]
    assert across[0] == pytest.approx(across[1])
    assert alignment_of_face(flat).side_pixels == pytest.approx(160)  # FFHQ: four eye distances


@pytest.mark.parametrize(
    "eyes", [((10, 10), (10.5, 10)), ((-1, 5), (20, 5)), ((5, 5), (float("nan"), 5)), ((5, 5), (400, 5))]
)
def test_impossible_eyes_are_refused(eyes):
    with pytest.raises(BadInputError, match="two points in a photo of 300 × 200") as caught:
        choose(np.zeros((200, 300, 3), np.uint8), NoFinder(), eyes=[eyes])
    assert "centres of both eyes" in caught.value.advice


@pytest.mark.parametrize(
    "box", [(10, 10, 10, 50), (50, 50, 20, 20), (300, 0, 400, 50), (-90, 0, -10, 50), (0, 0, float("inf"), 9)]
)
def test_impossible_boxes_are_refused(box):
    with pytest.raises(BadInputError, match="empty or lies outside"):
        choose(np.zeros((200, 300, 3), np.uint8), NoFinder(), boxes=[box], landmarker=DlibFaceFinder())


def test_boxes_need_something_that_finds_landmarks():
    with pytest.raises(BadInputError, match="nothing that finds landmarks"):
        choose(np.zeros((200, 300, 3), np.uint8), NoFinder(), boxes=[(0, 0, 50, 50)])


def test_the_square_of_a_box_has_its_centre_and_its_longer_side():
    square = alignment_of_box((10, 20, 50, 80))
    assert square.side_pixels == 60
    assert square.quad.mean(axis=0).tolist() == [30, 50]


def test_a_drawing_shows_the_box_in_the_verdict_s_colour_and_leaves_the_photo_alone():
    photo = np.zeros((400, 400, 3), np.uint8)
    faces = [eyes_of_box((100, 100, 200, 200)), eyes_of_box((300, 300, 320, 320))]
    drawn = draw_faces(photo, faces, [alignment_of_face(faces[0]).quad])
    assert not photo.any()
    assert drawn[150, 100].argmax() == 1  # green: enough
    assert drawn[310, 300].argmax() == 0  # red: too small


def test_a_face_at_the_upper_border_has_its_label_below():
    photo = np.zeros((200, 200, 3), np.uint8)
    drawn = draw_faces(photo, [eyes_of_box((50, 0, 150, 100))])
    assert drawn[104:130].any()

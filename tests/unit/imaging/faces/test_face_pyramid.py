import numpy as np
import pytest

from core.imaging.faces.face import Face
from core.imaging.faces.pyramid import Reach, merge_scales, search


def _face(left, top, side, score):
    eyes = np.array([[left + 0.3 * side, top + 0.4 * side], [left + 0.7 * side, top + 0.4 * side]])
    return Face(eyes, (left, top, left + side, top + side), score)


def test_scales_double_from_the_coarsest_to_the_finest():
    assert Reach(1_400, 2.0).scales(700, 500) == [1.0, 2.0]
    assert Reach(1_400, 2.0).scales(2_800, 2_000) == [0.5, 1.0, 2.0]
    assert Reach(1_400, 3.0).scales(700, 500) == [1.0, 2.0, 3.0]
    assert Reach(320, 2.0).scales(6_000, 4_000)[-1] == 2.0


def test_a_find_comes_back_in_the_photo_s_pixels():
    def detect(tile):
        assert tile.shape == (60, 100, 3)
        return [_face(10, 20, 30, 1.0)]

    (face,) = search(np.zeros((120, 200, 3), np.uint8), 0.5, detect)
    assert face.box == (20, 40, 80, 100)


def test_every_pixel_of_a_large_photo_is_in_a_tile_and_no_tile_is_large():
    photo = np.arange(5_000 * 3_000, dtype=np.uint32).reshape(3_000, 5_000)
    codes = np.stack([photo % 256, photo // 256 % 256, photo // 65_536], axis=-1).astype(np.uint8)
    seen = np.zeros(5_000 * 3_000, bool)

    def detect(tile):
        assert max(tile.shape) <= 2_048
        seen[(tile.astype(np.uint32) @ np.array([1, 256, 65_536], np.uint32)).ravel()] = True
        return []

    search(codes, 1.0, detect)
    assert seen.all()


def test_one_face_at_three_scales_is_one_with_the_coarsest_landmarks_and_the_surest_score():
    (sighting,) = merge_scales([[_face(100, 100, 80, 0.3)], [_face(103, 99, 78, 1.4)], [_face(98, 101, 82, 0.9)]])
    assert sighting.face.box[0] == 100
    assert sighting.face.score == 1.4
    assert sighting.scales == (0, 1, 2)


def test_a_face_within_a_face_yields_to_the_surer():
    outer, inner = _face(100, 100, 100, 1.5), _face(110, 110, 30, 0.4)
    assert [s.face.box for s in merge_scales([[outer], [inner]])] == [outer.box]
    surer = _face(110, 110, 30, 2.0)
    assert [s.face.box for s in merge_scales([[outer], [surer]])] == [surer.box]


def test_neighbours_stay_and_the_largest_comes_first():
    faces = [_face(0, 0, 40, 2.0), _face(60, 0, 90, 0.5), _face(200, 0, 60, 1.0)]
    assert [s.face.box[0] for s in merge_scales([faces])] == [60, 200, 0]


def test_there_is_no_cap_on_the_number_of_faces():
    faces = [_face(50 * (i % 100), 50 * (i // 100), 40, 1.0) for i in range(1_000)]
    assert len(merge_scales([faces])) == 1_000


@pytest.mark.parametrize(
    ("apart", "verdict"), [(11.9, "too_small"), (12.0, "small"), (19.9, "small"), (20.0, "enough")]
)
def test_the_eye_distance_decides_the_verdict(apart, verdict):
    assert Face(np.array([[0.0, 0.0], [apart, 0.0]]), (0, 0, 40, 40), 1.0).verdict == verdict

import numpy as np
import pytest

from core.imaging.faces import Face, plausible

POINTS = np.array([[40.0, 40], [60, 40], [50, 52], [42, 62], [58, 62]])
BOX = (28.0, 20.0, 72.0, 75.0)


def _turned(points, degrees):
    angle = np.deg2rad(degrees)
    return (points - 50) @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) + 50


def test_a_face_is_plausible_however_the_head_leans():
    for degrees in (-60, 0, 45):
        assert plausible(Face(_turned(POINTS, degrees), BOX, 1.0), 100, 100)


def test_a_near_profile_is_plausible():
    profile = POINTS.copy()
    profile[1, 0] = 51
    profile[4, 0] = 50
    assert plausible(Face(profile, BOX, 1.0), 100, 100)


@pytest.mark.parametrize(
    "changed",
    [
        {3: (42, 20), 4: (58, 20)},  # the mouth above the eyes
        {3: (42, 45), 4: (58, 45)},  # on their line
        {3: (42, 99), 4: (58, 99)},  # far below
        {3: (62, 62), 4: (78, 62)},  # beside
        {1: (40, 40)},  # one eye
    ],
)
def test_what_no_face_looks_like_is_not_plausible(changed):
    points = POINTS.copy()
    for index, point in changed.items():
        points[index] = point
    assert not plausible(Face(points, BOX, 1.0), 100, 100)


def test_a_face_whose_eyes_lie_outside_the_photo_is_not_plausible():
    assert not plausible(Face(POINTS - [45, 0], BOX, 1.0), 100, 100)
    assert not plausible(Face(POINTS, BOX, 1.0), 100, 59)


def test_a_box_of_another_size_than_the_face_is_not_plausible():
    assert not plausible(Face(POINTS, (38, 38, 62, 64), 1.0), 100, 100)


def test_eyes_alone_are_no_proof_of_a_face():
    assert not plausible(Face(POINTS[:2], BOX, 1.0), 100, 100)

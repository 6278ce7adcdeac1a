import numpy as np
import pytest

from core.imaging.composite.ring import shift_to_ring


@pytest.fixture
def ring():
    y, x = np.mgrid[:120, :100]
    distance = np.hypot((x - 50) / 40, (y - 60) / 50)
    return (distance > 0.85) & (distance < 1)


@pytest.fixture
def photo():
    return np.random.default_rng(0).uniform(60, 200, (120, 100, 3)).astype(np.float32)


def test_a_shift_that_is_the_same_all_around_is_found_exactly(photo, ring):
    shift = np.array([12.0, -7.0, 3.0], np.float32)
    assert shift_to_ring(photo, photo - shift, ring) == pytest.approx(np.broadcast_to(shift, photo.shape), abs=1e-3)


def test_what_differs_from_side_to_side_is_followed(photo, ring):
    slope = np.linspace(-15, 15, 100, dtype=np.float32)[None, :, None]
    field = shift_to_ring(photo, photo - slope, ring)
    assert field[60, 10, 0] < -5
    assert field[60, 90, 0] > 5
    assert abs(field[60, 50, 0]) < 1


def test_what_is_within_the_ring_does_not_count(photo, ring):
    inside = photo.copy()
    inside[50:70, 40:60] += 80
    assert np.abs(shift_to_ring(photo, inside, ring)).max() < 1e-3


def test_a_scratch_in_the_ring_shifts_little(photo, ring):
    scratched = photo.copy()
    scratched[58:62] += 200
    assert np.abs(shift_to_ring(scratched, photo, ring)).max() < 5


def test_no_ring_is_no_shift(photo):
    assert not shift_to_ring(photo, photo + 9, np.zeros((120, 100), bool)).any()

import numpy as np
import pytest

from core.imaging.composite.grain import add_grain

OUTSIDE = np.zeros((200, 200), bool)
OUTSIDE[:, :90] = True


def _scene(noise):
    """A grey photo with noise; the right half was restored to nothing but grey."""
    photo = np.full((200, 200, 3), 120, np.float32) + noise
    placed = photo.copy()
    placed[:, 90:] = 120
    return photo.astype(np.float32), placed.astype(np.float32)


def _luminance_noise(sigma, seed=1):
    return np.random.default_rng(seed).normal(0, sigma, (200, 200, 1))


def _add(photo, placed, seed=0):
    return add_grain(photo, placed, OUTSIDE, ~OUTSIDE, np.random.default_rng(seed))


@pytest.mark.parametrize("sigma", [2, 6, 10])
def test_white_noise_is_restored_to_its_amount(sigma):
    photo, placed = _scene(_luminance_noise(sigma))
    added = _add(photo, placed)[:, 90:]
    assert added[..., 1].std() == pytest.approx(sigma, rel=0.12)


def test_only_what_is_missing_is_added():
    photo, placed = _scene(_luminance_noise(8))
    placed[:, 90:] += np.random.default_rng(2).normal(0, 6, (200, 110, 1)).astype(np.float32)
    added = _add(photo, placed)[:, 90:]
    assert added[..., 1].std() == pytest.approx(8, rel=0.12)


def test_coarse_grain_is_made_coarse():
    import cv2

    noise = cv2.GaussianBlur(_luminance_noise(20).astype(np.float32), (0, 0), 0.45)[..., None]
    photo, placed = _scene(noise)
    added = _add(photo, placed)[:, 90:, 1] - 120
    neighbours = lambda plane: float((plane[:, 1:] * plane[:, :-1]).mean() / plane.var())  # noqa: E731  # used once, here
    assert neighbours(added) == pytest.approx(neighbours(noise[..., 0]), abs=0.1)
    assert added.std() == pytest.approx(noise.std(), rel=0.2)


def test_grey_grain_is_grey():
    photo, placed = _scene(_luminance_noise(10))
    assert np.ptp(_add(photo, placed), axis=-1).max() < 1e-3


def test_sepia_grain_is_sepia():
    photo, placed = _scene(_luminance_noise(10) * [1.0, 0.8, 0.5])
    added = (_add(photo, placed)[:, 90:] - 120).reshape(-1, 3)
    red, green, blue = added.T
    assert np.polyfit(green, red, 1)[0] == pytest.approx(1.25, abs=0.05)
    assert np.polyfit(green, blue, 1)[0] == pytest.approx(0.625, abs=0.05)


def test_coloured_noise_gets_its_colours_back():
    photo, placed = _scene(np.random.default_rng(1).normal(0, 8, (200, 200, 3)))
    added = _add(photo, placed)[:, 90:]
    assert (added[..., 0] - added[..., 1]).std() == pytest.approx(8 * 2**0.5, rel=0.15)
    assert (added[..., 2] - added[..., 1]).std() == pytest.approx(8 * 2**0.5, rel=0.15)


def test_a_face_that_was_clean_in_a_rough_place_stays_clean():
    photo, placed = _scene(_luminance_noise(20) * np.where(OUTSIDE, 1, 0)[..., None])
    assert _add(photo, placed) is placed


def test_nothing_is_added_to_what_was_not_restored():
    photo, _ = _scene(_luminance_noise(8))
    assert _add(photo, photo) is photo


def test_the_same_generator_gives_the_same_grain():
    photo, placed = _scene(_luminance_noise(8))
    assert np.array_equal(_add(photo, placed, 3), _add(photo, placed, 3))
    assert not np.array_equal(_add(photo, placed, 3), _add(photo, placed, 4))


def test_where_nothing_untouched_is_left_nothing_is_added():
    photo, placed = _scene(_luminance_noise(8))
    nothing = np.zeros_like(OUTSIDE)
    assert add_grain(photo, placed, nothing, ~nothing, np.random.default_rng(0)) is placed


def test_a_halftone_does_not_bury_the_restoration():
    photo, placed = _scene(_luminance_noise(25))
    assert _add(photo, placed)[:, 90:, 1].std() == pytest.approx(10, rel=0.12)


def test_less_grain_can_be_asked_for():
    photo, placed = _scene(_luminance_noise(8))
    some = add_grain(photo, placed, OUTSIDE, ~OUTSIDE, np.random.default_rng(0), amount=0.5)
    assert some - placed == pytest.approx((_add(photo, placed) - placed) / 2, abs=1e-4)
    assert np.array_equal(add_grain(photo, placed, OUTSIDE, ~OUTSIDE, np.random.default_rng(0), amount=0.0), placed)

import numpy as np
import pytest

from core.imaging.oklab import from_oklab, to_oklab


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [  # CSS Color 4, sample values
        ((1, 0, 0), (0.627955, 0.224863, 0.125846)),
        ((0, 1, 0), (0.866440, -0.233888, 0.179498)),
        ((0, 0, 1), (0.452014, -0.032457, -0.311528)),
        ((1, 1, 1), (1, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
    ],
)
def test_the_primaries_have_their_published_values(rgb, lab):
    assert to_oklab(np.array(rgb, np.float32)) == pytest.approx(np.array(lab), abs=2e-5)


def test_every_colour_that_a_screen_shows_comes_back():
    rgb = np.random.default_rng(0).random((4_000, 3), dtype=np.float32)
    assert np.abs(from_oklab(to_oklab(rgb)) - rgb).max() < 1e-4


def test_a_colour_out_of_gamut_keeps_lightness_and_hue_and_loses_chroma():
    wanted = np.array([[0.3, 0.25, 0.10], [0.9, 0.02, -0.25], [0.6, -0.3, 0.3]], np.float32)
    got = to_oklab(from_oklab(wanted))
    assert got[:, 0] == pytest.approx(wanted[:, 0], abs=2e-3)
    hue, expected = np.arctan2(got[:, 2], got[:, 1]), np.arctan2(wanted[:, 2], wanted[:, 1])
    assert hue == pytest.approx(expected, abs=0.02)
    assert (np.hypot(got[:, 1], got[:, 2]) < 0.95 * np.hypot(wanted[:, 1], wanted[:, 2])).all()


def test_the_chroma_that_is_left_is_the_most_that_fits():
    rgb = from_oklab(np.array([[0.3, 0.25, 0.10]], np.float32))
    assert rgb.min() < 0.02


def test_lightness_beyond_black_and_white_is_black_and_white():
    ends = from_oklab(np.array([[-0.1, 0.1, 0.0], [1.2, 0.0, 0.1]], np.float32))
    assert ends == pytest.approx(np.array([[0, 0, 0], [1, 1, 1]]), abs=2e-3)

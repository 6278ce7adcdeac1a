import numpy as np
import pytest

from core.imaging.align import Alignment, align_face
from core.imaging.composite.window import Window, place, square_coordinates, window_around


def _turned(centre, half, degrees):
    angle = np.deg2rad(degrees)
    x = half * np.array([np.cos(angle), np.sin(angle)])
    y = np.array([-x[1], x[0]])
    return Alignment(np.stack([centre - x - y, centre - x + y, centre + x + y, centre + x - y]))


def _waves(height, width):
    """A picture without anything finer than 16 pixels, of which the truth between pixels is known."""
    y, x = np.mgrid[:height, :width] + 0.5
    planes = [128 + 60 * np.sin(2 * np.pi * (x * a + y * b) / 32) for a, b in ((1, 0.5), (0.3, 1), (0.7, -0.7))]
    return np.stack(planes, axis=-1).round().astype(np.uint8)


@pytest.mark.parametrize("degrees", [0, 17, -40])
@pytest.mark.parametrize("size", [128, 257])
def test_placing_is_the_inverse_of_cutting(degrees, size):
    photo = _waves(240, 320)
    alignment = _turned(np.array([160.3, 120.6]), 64, degrees)
    window = Window(120, 80, 200, 160)
    placed = place(align_face(photo, alignment, size), alignment, window)
    assert np.abs(placed - window.cut(photo)).max() < 2.5


def test_a_crop_of_many_pixels_is_averaged_down_and_not_skipped():
    board = np.zeros((512, 512, 3), np.uint8)
    board[::2, ::2] = board[1::2, 1::2] = 255
    alignment = _turned(np.array([64.0, 64.0]), 32, 0)
    placed = place(board, alignment, Window(40, 40, 88, 88))
    assert np.abs(placed - 127.5).max() < 2


def test_a_crop_of_few_pixels_is_enlarged_smoothly():
    ramp = np.tile(np.linspace(0, 255, 32, dtype=np.float32)[None, :, None], (32, 1, 3))
    alignment = _turned(np.array([128.0, 128.0]), 128, 0)
    placed = place(ramp, alignment, Window(32, 100, 224, 110))
    steps = np.diff(placed[5, :, 0])
    # OpenCV's cubic kernel ripples between samples, but never falls back or jumps.
    assert steps.mean() == pytest.approx(255 / 31 / 8, rel=0.02)
    assert 0.3 < steps.min() < steps.max() < 1.8


def test_square_coordinates_are_0_and_1_at_the_corners():
    alignment = _turned(np.array([50.0, 40.0]), 20, 30)
    window = Window(0, 0, 100, 80)
    square = square_coordinates(window, alignment)
    assert square[40, 50] == pytest.approx([0.5, 0.5], abs=0.02)
    column, row = alignment.quad[3]
    assert square[int(row), int(column)] == pytest.approx([1, 0], abs=0.03)


def test_a_window_stays_in_the_photo_and_in_the_square():
    alignment = _turned(np.array([10.0, 10.0]), 20, 0)
    window = window_around(np.array([[5.0, 5], [15, 20]]), 100, alignment, 25, 400)
    assert window == Window(0, 0, 30, 25)
    outside = window_around(np.array([[-30.0, 5], [-10, 20]]), 5, _turned(np.array([-20.0, 10]), 15, 0), 100, 100)
    assert outside.empty

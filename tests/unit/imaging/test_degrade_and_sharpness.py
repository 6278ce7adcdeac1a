import numpy as np
import pytest

from core.imaging.degrade import DEGRADATIONS, degrade
from core.imaging.resize import resize, resize_plane
from core.imaging.sharpness import sharpness


@pytest.mark.parametrize("kind", DEGRADATIONS)
def test_the_same_generator_degrades_alike_and_really_degrades(portrait, kind):
    one = degrade(portrait, kind, np.random.default_rng(3))
    assert np.array_equal(one, degrade(portrait, kind, np.random.default_rng(3)))
    assert one.shape == portrait.shape
    assert one.dtype == np.uint8
    assert np.mean((one.astype(float) - portrait) ** 2) > 20


def test_blur_takes_sharpness_away_and_noise_adds_to_it(portrait):
    rng = np.random.default_rng(0)
    assert sharpness(degrade(portrait, "blur", rng)) < 0.5 * sharpness(portrait) < sharpness(portrait)
    assert sharpness(degrade(portrait[:128, :128], "noise", rng)) > sharpness(portrait[:128, :128])


def test_sharpness_hardly_depends_on_the_crop_s_size(portrait):
    large, small = sharpness(portrait), sharpness(resize(portrait, 256))
    assert small == pytest.approx(large, rel=0.1)


def test_an_equal_size_is_left_alone_and_planes_are_not_rounded():
    picture = np.zeros((4, 4, 3), np.uint8)
    assert resize(picture, 4) is picture
    plane = np.full((8, 8), 0.25, np.float32)
    assert resize_plane(plane, 4).tolist() == np.full((4, 4), 0.25).tolist()

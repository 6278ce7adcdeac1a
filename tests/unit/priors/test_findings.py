import math

import numpy as np
import pytest

from core.diffusion.schedule import linear_schedule
from core.imaging.degrade import blur
from core.priors.findings import find, finding_names, octaves_of
from tests.fakes import GaussianPrior, tiny_prior

DEVIATION = 0.3


def gaussian_picture(deviation, seed=0, side=64):
    levels = np.random.default_rng(seed).normal(127.5, deviation * 127.5, (side, side, 3))
    return levels.round().clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def exact():
    return GaussianPrior(linear_schedule(), 0.0, DEVIATION, resolution=64)


@pytest.mark.parametrize("t", [20, 100, 300])
@pytest.mark.parametrize("deviation", [DEVIATION, 0.4, 0.1])
def test_the_noise_that_an_exact_prior_finds_in_white_pictures_is_its_closed_form(exact, t, deviation):
    # ε̂ = √(1 − ᾱ)·x_t / (ᾱ·s² + 1 − ᾱ), and x_t has the picture's own deviation instead of s.
    alpha = float(exact.schedule.alphas_cumprod[t])
    expected, present = alpha * DEVIATION**2 + 1 - alpha, alpha * deviation**2 + 1 - alpha
    found = find(exact, gaussian_picture(deviation), t)
    fine, colour = octaves_of(64)
    assert len(found) == 2 * fine + colour
    for octave in (fine - 1, fine + colour - 1):
        assert found[octave] == pytest.approx(math.log((1 - alpha) * present / expected**2), abs=0.08)


def test_the_detail_found_is_that_of_the_picture_beside_the_root_of_its_contrast(exact):
    sharp = np.mean([find(exact, gaussian_picture(DEVIATION, seed), 10)[-3:] for seed in range(20)], axis=0)
    assert sharp == pytest.approx(math.log(DEVIATION), abs=0.2)  # white: s² in every octave, s² / √s²
    blurred = [blur(gaussian_picture(DEVIATION, seed), 1.5) for seed in range(20)]
    dull = np.mean([find(exact, picture, 10)[-3:] for picture in blurred], axis=0)
    assert (np.diff([*dull]) < -1.0).all()  # the finer, the less is left


def test_the_same_picture_gives_the_same_numbers():
    prior, picture = tiny_prior(), gaussian_picture(0.3, side=16)
    assert (find(prior, picture, 9) == find(prior, picture, 9)).all()
    assert (find(prior, picture, 9) != find(prior, picture, 10)).all()


def test_every_finding_has_a_name():
    for resolution in (8, 16, 128, 256):
        names = finding_names(resolution)
        assert len(set(names)) == len(names) == 2 * octaves_of(resolution)[0] + octaves_of(resolution)[1]
    assert len(find(tiny_prior(), gaussian_picture(0.3, side=16), 5)) == len(finding_names(16))
    assert finding_names(128)[-1] == "detail up to 1"


def test_a_flat_picture_has_finite_numbers():
    flat = np.full((16, 16, 3), 128, np.uint8)
    assert np.isfinite(find(tiny_prior(prediction="sample"), flat, 5)).all()

import math

import numpy as np
import pytest

from core.diffusion.schedule import linear_schedule
from core.imaging.resize import resize
from core.pipeline.quality import denoising_residual, identity_to, psnr, ssim
from tests.fakes import GaussianPrior


def test_psnr_is_its_definition():
    truth = np.full((8, 8, 3), 100, np.uint8)
    assert psnr(truth + 10, truth) == pytest.approx(20 * math.log10(255 / 10))
    assert psnr(truth, truth) == math.inf


def test_ssim_is_one_for_the_same_picture_and_less_for_another(crops):
    assert ssim(crops[0], crops[0]) == pytest.approx(1.0)
    assert ssim(crops[1], crops[0]) < 0.9


def test_identity_falls_from_the_picture_itself_to_a_mirrored_and_damaged_one(crops):
    face = resize(crops[0], 128)
    assert identity_to(face, [face]) == pytest.approx(1.0)
    noisy = np.random.default_rng(0).integers(0, 256, face.shape, dtype=np.uint8)
    assert identity_to(noisy, [face]) < 0.7


def test_the_residual_of_an_exact_prior_is_its_closed_form():
    # For N(m, s²) pixels E[x̂_0 − x_0]² = s²·(1 − ᾱ)/(ᾱ·s² + 1 − ᾱ), the posterior's variance.
    prior = GaussianPrior(linear_schedule(), mean=0.0, deviation=0.3, resolution=64)
    levels = np.random.default_rng(0).normal(127.5, 0.3 * 127.5, (64, 64, 3)).round().clip(0, 255).astype(np.uint8)
    expected = []
    for t in (50, 100, 200):
        alpha = float(prior.schedule.alphas_cumprod[t])
        expected.append(math.sqrt(0.09 * (1 - alpha) / (alpha * 0.09 + 1 - alpha)))
    assert denoising_residual(prior, levels) == pytest.approx(np.mean(expected), rel=0.03)

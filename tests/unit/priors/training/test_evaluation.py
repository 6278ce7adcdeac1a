import math

import numpy as np
import pytest
import torch

from core.domain.errors import PriorError
from core.priors.training.evaluation import (
    TIMESTEPS,
    denoise_once,
    denoising_psnr,
    mean_psnr,
    noised,
    rescaled,
    scaled_timesteps,
)
from tests.fakes import GaussianPrior, tiny_schedule

MEAN, DEVIATION = 0.1, 0.2


@pytest.fixture(scope="module")
def prior():
    return GaussianPrior(tiny_schedule(), MEAN, DEVIATION)


@pytest.fixture(scope="module")
def images():
    """Pictures that the prior is exactly right about, but for the rounding to 8 bits."""
    pixels = np.random.default_rng(0).normal(MEAN, DEVIATION, (24, 32, 32, 3))
    return ((pixels + 1) * 127.5).round().clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("t", [2, 10, 20, 40])
def test_the_exact_prior_reaches_the_posterior_variance(prior, images, t):
    signal = float(prior.schedule.alphas_cumprod[t])
    variance = DEVIATION**2 * (1 - signal) / (signal * DEVIATION**2 + 1 - signal)
    assert denoising_psnr(prior, images, (t,))[t] == pytest.approx(10 * math.log10(4 / variance), abs=0.05)


def test_the_batch_does_not_matter(prior, images):
    one, many = (denoising_psnr(prior, images, (10,), batch=batch) for batch in (5, 24))
    assert one[10] == pytest.approx(many[10], abs=1e-6)


def test_a_wrong_prior_measures_worse(prior, images):
    wrong = GaussianPrior(tiny_schedule(), MEAN + 0.3, DEVIATION)
    assert denoising_psnr(wrong, images, (20,))[20] < denoising_psnr(prior, images, (20,))[20] - 1


def test_timesteps_are_scaled_to_the_schedule(prior, images):
    assert scaled_timesteps(1000) == TIMESTEPS
    assert list(denoising_psnr(prior, images[:2])) == [2, 5, 10, 20]
    assert scaled_timesteps(2) == (0, 0, 0, 0)


def test_the_noise_depends_on_place_and_timestep_alone(prior, images):
    x0, x_t = noised(images[:4], 10, prior)
    _, again = noised(images[:2], 10, prior)
    assert torch.equal(x_t[:2], again)
    torch.testing.assert_close(x0, torch.from_numpy(images[:4]).permute(0, 3, 1, 2) / 127.5 - 1)
    signal = float(prior.schedule.alphas_cumprod[10])
    noise = (x_t - math.sqrt(signal) * x0) / math.sqrt(1 - signal)
    assert (float(noise.mean()), float(noise.std())) == pytest.approx((0, 1), abs=0.03)
    assert not torch.equal(noise[0], noise[1])


def test_the_rescaled_input_and_the_estimate_are_clipped(prior, images):
    _, x_t = noised(images[:4], 40, prior)
    scaled = rescaled(x_t, 40, prior)
    expected = (x_t / float(prior.schedule.alphas_cumprod[40].sqrt())).clamp(-1, 1)
    torch.testing.assert_close(scaled, expected)
    assert float(scaled.abs().max()) == 1.0
    expected = prior.expected_x0(x_t, torch.full((4,), 40)).clamp(-1, 1)
    torch.testing.assert_close(denoise_once(prior, x_t, 40), expected, rtol=0, atol=1e-4)


def test_psnr_is_its_formula_averaged_over_images():
    truth = torch.zeros(2, 3, 4, 4)
    off = truth.clone()
    off[0] += 0.2
    off[1] += 0.02
    assert mean_psnr(off, truth) == pytest.approx((20 + 40) / 2, abs=1e-4)


def test_one_image_that_is_reproduced_exactly_does_not_make_the_mean_infinite():
    truth = torch.ones(2, 3, 4, 4)
    off = truth.clone()
    off[0] -= 0.2
    assert mean_psnr(off, truth) == pytest.approx((20 + 10 * math.log10(4e10)) / 2, abs=1e-4)


def test_a_prior_that_computes_no_numbers_is_refused(images):
    prior = GaussianPrior(tiny_schedule(), float("nan"), DEVIATION)
    with pytest.raises(PriorError, match="'tiny' computes values that are not finite numbers"):
        denoising_psnr(prior, images[:2])

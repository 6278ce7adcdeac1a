import math
from itertools import pairwise

import pytest
import torch

from core.diffusion.guidance import SkipGuidance
from core.diffusion.samplers import sample_ancestral, sample_dpm_solver, timesteps_for
from core.diffusion.seeds import NoiseStream, image_generator
from core.priors.base import denoiser_of
from tests.fakes import GaussianPrior, tiny_prior, tiny_schedule

K = 40


def stream(count, side=16):
    return NoiseStream([image_generator(1, i) for i in range(count)], (3, side, side))


def exact_chain(prior, noise_steps, start_mean, start_variance):
    """Mean and variance of the ancestral chain's result for Gaussian pixels, step by step in closed form."""
    schedule = prior.schedule
    mean, variance = start_mean, start_variance
    for t in range(noise_steps - 1, -1, -1):
        alpha = float(schedule.alphas_cumprod[t])
        total = alpha * prior.deviation**2 + 1 - alpha
        slope = math.sqrt(alpha) * prior.deviation**2 / total
        shift = prior.mean - slope * math.sqrt(alpha) * prior.mean
        a, b = float(schedule.posterior_mean_x0[t]), float(schedule.posterior_mean_xt[t])
        noise = float(torch.exp(schedule.posterior_log_variance_clipped[t])) if t else 0.0
        mean = (a * slope + b) * mean + a * shift
        variance = (a * slope + b) ** 2 * variance + noise
    return mean, variance


def test_the_ancestral_chain_has_the_mean_and_variance_of_its_closed_form():
    # Narrow pixels around 0.1, so that clipping x̂_0 to [−1, 1] never acts and the chain is exactly linear.
    prior = GaussianPrior(tiny_schedule(), mean=0.1, deviation=0.15, resolution=64)
    noise = stream(8, side=64)
    last = prior.schedule.steps
    alpha = float(prior.schedule.alphas_cumprod[last - 1])
    spread = alpha * prior.deviation**2 + 1 - alpha
    start = math.sqrt(alpha) * prior.mean + math.sqrt(spread) * noise()
    result = sample_ancestral(denoiser_of(prior), start, last, noise)
    mean, variance = exact_chain(prior, last, math.sqrt(alpha) * prior.mean, spread)
    count = result.numel()
    assert float(result.mean()) == pytest.approx(mean, abs=4 * math.sqrt(variance / count))
    assert float(result.var()) == pytest.approx(variance, rel=4 * math.sqrt(2 / count))


def test_dpm_solver_converges_to_the_exact_probability_flow():
    # For N(m, s²) pixels the flow moves a point along its quantile: x_0 = m + s·(x_K − √ᾱ·m)/√(ᾱ·s² + 1 − ᾱ).
    prior = GaussianPrior(tiny_schedule(), mean=0.1, deviation=0.15)
    noise = stream(2, side=4)
    alpha = float(prior.schedule.alphas_cumprod[K - 1])
    spread = math.sqrt(alpha * prior.deviation**2 + 1 - alpha)
    start = math.sqrt(alpha) * prior.mean + spread * noise()
    exact = prior.mean + prior.deviation * (start - math.sqrt(alpha) * prior.mean) / spread
    errors = [
        float((sample_dpm_solver(denoiser_of(prior), start, K, noise, sampler_steps=n) - exact).abs().mean())
        for n in (4, 8, 16)
    ]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.1 * prior.deviation


def test_a_chain_stopped_and_taken_up_again_ends_where_the_uninterrupted_one_does():
    denoiser = denoiser_of(tiny_prior())
    noise = stream(2)
    start = noise()
    whole = stream(2)
    whole()
    seen = {}
    expected = sample_ancestral(
        denoiser, start, K, whole, on_step=lambda left, x: seen.setdefault(left, (x, whole.state()))
    )
    x, state = seen[17]
    noise.load_state(state)
    assert torch.equal(sample_ancestral(denoiser, x, 17, noise), expected)


@pytest.mark.parametrize("sampler", [sample_ancestral, sample_dpm_solver])
def test_a_batch_is_its_images_one_by_one(sampler):
    denoiser = denoiser_of(tiny_prior())
    batch = stream(3)
    start = batch()
    target = start.clamp(-1, 1)
    together = sampler(denoiser, start, 20, batch, SkipGuidance(target, every=5))
    for i in range(3):
        alone = NoiseStream([image_generator(1, i)], (3, 16, 16))
        alone()
        one = sampler(denoiser, start[i : i + 1], 20, alone, SkipGuidance(target[i : i + 1], every=5))
        torch.testing.assert_close(one, together[i : i + 1], rtol=0, atol=1 / 255)


def test_guidance_pulls_the_result_towards_the_photo():
    prior = GaussianPrior(tiny_schedule(), mean=0.0, deviation=0.3)
    photo = torch.full((1, 3, 4, 4), 0.6)
    free = sample_ancestral(denoiser_of(prior), stream(1, 4)(), K, stream(1, 4))
    pulled = sample_ancestral(denoiser_of(prior), stream(1, 4)(), K, stream(1, 4), SkipGuidance(photo, 1.0, 2))
    assert (pulled - photo).norm() < 0.8 * (free - photo).norm()


@pytest.mark.parametrize(("noise_steps", "wanted"), [(200, 20), (10, 50), (1, 20), (7, 1), (1000, 50)])
def test_few_step_chains_fall_strictly_from_k_to_zero(noise_steps, wanted):
    chosen = timesteps_for(noise_steps, wanted)
    assert chosen[0] == noise_steps - 1
    assert len(chosen) == min(noise_steps, wanted)
    assert all(a > b for a, b in pairwise(chosen))
    assert chosen[-1] == 0 or wanted == 1


def test_progress_counts_down_to_zero_in_both_samplers():
    prior = GaussianPrior(tiny_schedule(), 0.0, 0.3)
    for sampler in (sample_ancestral, sample_dpm_solver):
        seen = []
        sampler(
            denoiser_of(prior), stream(1, 4)(), 30, stream(1, 4), on_step=lambda left, _, seen=seen: seen.append(left)
        )
        assert seen[-1] == 0
        assert seen == sorted(seen, reverse=True)

import pytest
import torch
from diffusers import DDPMScheduler

from core.diffusion.schedule import (
    NoiseSchedule,
    cosine_schedule,
    linear_schedule,
    scaled_linear_schedule,
    schedule_from_betas,
)
from core.domain.errors import PriorError

SAME = {
    "linear": (linear_schedule(), {"beta_schedule": "linear", "beta_start": 1e-4, "beta_end": 0.02}),
    "scaled": (
        scaled_linear_schedule(),
        {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012},
    ),
    "cosine": (cosine_schedule(), {"beta_schedule": "squaredcos_cap_v2"}),
}


@pytest.mark.parametrize("name", SAME)
def test_the_tables_are_those_of_diffusers_own_scheduler(name):
    ours, arguments = SAME[name]
    theirs = DDPMScheduler(num_train_timesteps=1000, **arguments)
    torch.testing.assert_close(ours.alphas_cumprod.float(), theirs.alphas_cumprod, rtol=2e-5, atol=1e-7)


def test_the_posterior_s_two_coefficients_reproduce_a_noise_free_step():
    # If x_t holds no noise beyond x_0 itself, the posterior's mean must be √ᾱ_{t−1}·x_0.
    schedule = linear_schedule()
    alphas, before = schedule.alphas_cumprod, schedule.alphas_cumprod_previous
    mean = schedule.posterior_mean_x0 + schedule.posterior_mean_xt * alphas.sqrt()
    torch.testing.assert_close(mean, before.sqrt(), rtol=1e-12, atol=1e-12)


def test_the_posterior_variance_is_bayes_rule():
    # Precision of q(x_{t−1}|x_t,x_0) = precision of the prior q(x_{t−1}|x_0) + of the likelihood q(x_t|x_{t−1}).
    schedule = linear_schedule()
    prior, alphas = 1 - schedule.alphas_cumprod_previous[1:], 1 - schedule.betas[1:]
    variance = 1 / (1 / prior + alphas / schedule.betas[1:])
    torch.testing.assert_close(schedule.posterior_variance[1:], variance, rtol=1e-10, atol=0)


def test_the_first_log_variance_is_replaced_by_the_second():
    schedule = linear_schedule()
    assert schedule.posterior_variance[0] == 0
    assert schedule.posterior_log_variance_clipped[0] == torch.log(schedule.posterior_variance[1])


@pytest.mark.parametrize("betas", [[0.0, 0.1], [0.1, 1.5], [-0.1, 0.2]])
def test_impossible_betas_are_refused(betas):
    with pytest.raises(PriorError, match="betas in"):
        schedule_from_betas(betas)


def test_float32_betas_are_refused_since_they_lose_the_first_steps():
    with pytest.raises(PriorError):
        NoiseSchedule(torch.linspace(1e-4, 0.02, 10))

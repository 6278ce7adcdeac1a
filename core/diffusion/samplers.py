"""Samplers: functions from y_K to x_0. Noise, progress and guidance are passed in.

All share one signature. `predict(x_t, t)` is the network: [N, C, H, W], [N] int64 → [N, C or 2C, H, W].
`on_step(remaining, x)` is called after every step with the number of steps left to noise level zero; raising
from it stops the chain, and calling the ancestral sampler again with that x as `start` and `noise_steps =
remaining` goes on exactly there.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from core.diffusion.guidance import SkipGuidance
from core.diffusion.process import Parameterization, Step, ancestral_step, predict_x0, split_output
from core.diffusion.schedule import NoiseSchedule

Predict = Callable[[Tensor, Tensor], Tensor]
OnStep = Callable[[int, Tensor], None]


@dataclass(frozen=True)
class Denoiser:
    """A network together with how it was trained: all that a sampler needs to know of a prior."""

    predict: Predict
    schedule: NoiseSchedule
    parameterization: Parameterization


def timesteps_for(noise_steps: int, sampler_steps: int) -> list[int]:
    """Indices t for a few-step chain from K − 1 down to 0, evenly spread, strictly falling.

    Args:
        noise_steps: K, 1 … T.
        sampler_steps: network calls wanted; K at most are made.
    """
    count = min(sampler_steps, noise_steps)
    if count == 1:
        return [noise_steps - 1]
    return [round((noise_steps - 1) * (1 - i / (count - 1))) for i in range(count)]


def sample_ancestral(
    denoiser: Denoiser,
    start: Tensor,
    noise_steps: int,
    noise: Callable[[], Tensor],
    guidance: SkipGuidance | None = None,
    on_step: OnStep | None = None,
    chain_start: int | None = None,
) -> Tensor:
    """The paper's sampler: K ancestral steps t = K − 1 … 0 (equation 2; with guidance, equation 6).

    Args:
        denoiser: the prior.
        start: y_K, [N, C, H, W].
        noise_steps: K, the number of steps still to do.
        noise: draws [N, C, H, W] ~ N(0, I), once per step; also at t = 0, where it is not used.
        guidance: pull towards the photo, or None.
        on_step: progress, cancellation, saving.
        chain_start: K of the whole chain where this call resumes one (for the dense prefix of guidance).

    Returns:
        x_0, [N, C, H, W], in [−1, 1] unless guided at the last step.
    """
    x = start
    for t in range(noise_steps - 1, -1, -1):
        index = torch.full((x.shape[0],), t, dtype=torch.int64, device=x.device)
        guided = guidance is not None and guidance.covers(t, t - 1, chain_start or noise_steps)
        with torch.enable_grad() if guided else torch.no_grad():
            x_t = x.detach().requires_grad_(guided)
            step: Step = ancestral_step(
                denoiser.predict(x_t, index), x_t, index, noise(), denoiser.schedule, denoiser.parameterization
            )
            x = step.sample.detach()
            if guided and guidance is not None:
                x = x - guidance.scale * guidance.gradient(step.predicted_x0, x_t)
        if on_step is not None:
            on_step(t, x)
    return x


def sample_dpm_solver(
    denoiser: Denoiser,
    start: Tensor,
    noise_steps: int,
    noise: Callable[[], Tensor],
    guidance: SkipGuidance | None = None,
    on_step: OnStep | None = None,
    *,
    sampler_steps: int = 20,
    stochastic: bool = False,
) -> Tensor:
    """DPM-Solver++ 2M (Lu et al. 2022) from diffusers, started at K: a few network calls instead of K.

    Ours, not the paper's: measured against the ancestral chain in docs/reference/measurements.md.

    Args:
        denoiser: the prior.
        start: y_K, [N, C, H, W].
        noise_steps: K.
        noise: draws [N, C, H, W] ~ N(0, I), once per step where `stochastic`.
        guidance: pull towards the photo, or None; one pull for each step that spans a guided index.
        on_step: progress and cancellation. Such a chain restarts, it does not resume:
            its multistep history is not part of x.
        sampler_steps: network calls.
        stochastic: the SDE variant, which adds fresh noise at every step as the ancestral chain does.

    Returns:
        x_0, [N, C, H, W].
    """
    from diffusers import DPMSolverMultistepScheduler  # here: importing it costs seconds, and most chains are ancestral

    timesteps = timesteps_for(noise_steps, sampler_steps)
    scheduler = DPMSolverMultistepScheduler(
        num_train_timesteps=denoiser.schedule.steps,
        trained_betas=denoiser.schedule.betas.numpy(),
        algorithm_type="sde-dpmsolver++" if stochastic else "dpmsolver++",
        solver_order=2,
        prediction_type="sample",
        lower_order_final=True,
        final_sigmas_type="zero",
    )
    scheduler.alphas_cumprod = denoiser.schedule.alphas_cumprod  # float64: the scheduler's own table is float32
    with warnings.catch_warnings():
        # The scheduler turns its table into a numpy array in a way numpy 2 deprecates.
        warnings.simplefilter("ignore", DeprecationWarning)
        scheduler.set_timesteps(timesteps=timesteps, device=start.device)

    x = start
    for position, t in enumerate(timesteps):
        following = timesteps[position + 1] if position + 1 < len(timesteps) else -1
        index = torch.full((x.shape[0],), t, dtype=torch.int64, device=x.device)
        guided = guidance is not None and guidance.covers(t, following, noise_steps)
        with torch.enable_grad() if guided else torch.no_grad():
            x_t = x.detach().requires_grad_(guided)
            estimate, _ = split_output(denoiser.predict(x_t, index), x.shape[1])
            x0 = predict_x0(estimate, x_t, index, denoiser.schedule, denoiser.parameterization.prediction)
            x0 = x0.clamp(-1.0, 1.0)
            pull = guidance.scale * guidance.gradient(x0, x_t) if guided and guidance is not None else None
        fresh = noise() if stochastic else None
        # step() keys its tables by the timestep's position, which it finds once and then counts.
        x = scheduler.step(x0.detach(), torch.tensor(t), x, variance_noise=fresh, return_dict=False)[0]
        if pull is not None:
            x = x - pull
        if on_step is not None:
            on_step(following + 1, x)
    return x

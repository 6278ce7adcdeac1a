"""The forward process and one reverse step, one equation a function.

Numbers in brackets are those of Ding et al., *Restoration by Generation with Constrained Priors*
(CVPR 2024); the ancestral step is that of Ho et al. 2020 with the learned range of Nichol &
Dhariwal 2021. Everywhere: x_t, noise, x̂_0 are [N, C, H, W] float, x̂_0 in [−1, 1]; t is [N] int64.
"""

from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor

from core.diffusion.schedule import NoiseSchedule
from core.diffusion.transfer import kept_on_device


class Prediction(StrEnum):
    """What the network estimates."""

    EPSILON = "epsilon"
    V = "v_prediction"
    X0 = "sample"


class Variance(StrEnum):
    """Where the reverse step's variance comes from."""

    FIXED_SMALL = "fixed_small"
    FIXED_LARGE = "fixed_large"
    LEARNED_RANGE = "learned_range"


@dataclass(frozen=True)
class Parameterization:
    """How to read a network's output.

    With LEARNED_RANGE the output has twice the image's channels: the estimate, then the position v
    in [−1, 1] between the two log variances.
    """

    prediction: Prediction = Prediction.EPSILON
    variance: Variance = Variance.FIXED_SMALL


@dataclass(frozen=True)
class Step:
    """One reverse step: x_{t−1} and the x̂_0 it went by, both [N, C, H, W]."""

    sample: Tensor
    predicted_x0: Tensor


def at(table: Tensor, t: Tensor, like: Tensor) -> Tensor:
    """Look a float64 table up at t, shaped to broadcast over images.

    On a GPU the table is copied once and kept: the schedule's own tables are asked for at every step.

    Args:
        table: [T] float64, on the CPU.
        t: [N] int64.
        like: [N, C, H, W], gives dtype and device.

    Returns:
        [N, 1, 1, 1] in the dtype and on the device of `like`.
    """
    entries = table[t].to(like.dtype) if like.device.type == "cpu" else kept_on_device(table, like)[t]
    return entries.view(-1, 1, 1, 1)


def add_noise(x0: Tensor, noise: Tensor, t: Tensor, schedule: NoiseSchedule) -> Tensor:
    """(1), (3): y_t = √ᾱ_t · y_0 + √(1 − ᾱ_t) · ε."""
    return at(schedule.signal, t, x0) * x0 + at(schedule.spread, t, x0) * noise


def split_output(output: Tensor, channels: int) -> tuple[Tensor, Tensor | None]:
    """Separate the estimate from the learned variance, where there is one.

    Args:
        output: [N, C, H, W] or [N, 2C, H, W].
        channels: C of the images.
    """
    if output.shape[1] == channels:
        return output, None
    return output[:, :channels], output[:, channels:]


def predict_x0(estimate: Tensor, x_t: Tensor, t: Tensor, schedule: NoiseSchedule, prediction: Prediction) -> Tensor:
    """x̂_{0,t}, not clipped, from an ε-, v- or x_0-network's estimate.

    ε: (x_t − √(1−ᾱ)·ε) / √ᾱ (Ho et al. 2020, equation 15); v: √ᾱ·x_t − √(1−ᾱ)·v (Salimans & Ho 2022, appendix D).
    """
    if prediction is Prediction.X0:
        return estimate
    if prediction is Prediction.V:
        return at(schedule.signal, t, x_t) * x_t - at(schedule.spread, t, x_t) * estimate
    return at(schedule.inverse_signal, t, x_t) * x_t - at(schedule.relative_spread, t, x_t) * estimate


def noise_from_x0(x0: Tensor, x_t: Tensor, t: Tensor, schedule: NoiseSchedule) -> Tensor:
    """The ε that x_t holds if its clean image is x_0: (1) solved for ε."""
    return (at(schedule.inverse_signal, t, x_t) * x_t - x0) / at(schedule.relative_spread, t, x_t)


def posterior_mean(x0: Tensor, x_t: Tensor, t: Tensor, schedule: NoiseSchedule) -> Tensor:
    """The mean of q(x_{t−1} | x_t, x_0); Ho et al. 2020, equation 7."""
    return at(schedule.posterior_mean_x0, t, x_t) * x0 + at(schedule.posterior_mean_xt, t, x_t) * x_t


def reverse_log_variance(
    position: Tensor | None, x_t: Tensor, t: Tensor, schedule: NoiseSchedule, variance: Variance
) -> Tensor:
    """Log σ²_t of the reverse step, broadcastable to x_t.

    Args:
        position: the network's v in [−1, 1] for LEARNED_RANGE, else None.
        x_t: [N, C, H, W], gives dtype and device.
        t: [N] int64.
        schedule: the prior's.
        variance: which of the three.
    """
    smallest = at(schedule.posterior_log_variance_clipped, t, x_t)
    if variance is Variance.FIXED_SMALL:
        return smallest
    if variance is Variance.FIXED_LARGE:
        return at(schedule.log_betas_clipped, t, x_t)
    if position is None:
        raise ValueError("a learned-range variance needs a network with twice the image's channels")
    largest = at(schedule.log_betas, t, x_t)
    fraction = (position + 1.0) / 2.0
    return fraction * largest + (1.0 - fraction) * smallest


def ancestral_step(
    output: Tensor, x_t: Tensor, t: Tensor, noise: Tensor, schedule: NoiseSchedule, parameterization: Parameterization
) -> Step:
    """One DDPM step with clipped x̂_0 (Ho et al. 2020, algorithm 2).

    Args:
        output: the network's, [N, C or 2C, H, W].
        x_t: [N, C, H, W].
        t: [N] int64.
        noise: [N, C, H, W] ~ N(0, I); not used where t = 0.
        schedule: the prior's.
        parameterization: how to read `output`.
    """
    estimate, position = split_output(output, x_t.shape[1])
    x0 = predict_x0(estimate, x_t, t, schedule, parameterization.prediction).clamp(-1.0, 1.0)
    mean = posterior_mean(x0, x_t, t, schedule)
    log_variance = reverse_log_variance(position, x_t, t, schedule, parameterization.variance)
    moving = (t > 0).to(x_t.dtype).view(-1, 1, 1, 1)
    return Step(mean + moving * torch.exp(0.5 * log_variance) * noise, x0)

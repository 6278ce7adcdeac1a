"""Training losses, per image, before any mean.

The hybrid loss is that of Nichol & Dhariwal 2021 (equation 16) with weight 1: what the FFHQ-256 release was
trained and is tuned with. Networks without a learned variance take the plain mean squared error, with min-SNR
weights (Hang et al. 2023) where the recipe asks for them.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from core.diffusion.process import (
    Parameterization,
    Prediction,
    Variance,
    add_noise,
    at,
    posterior_mean,
    predict_x0,
    reverse_log_variance,
    split_output,
)
from core.diffusion.schedule import NoiseSchedule
from core.diffusion.transfer import to_device


@dataclass(frozen=True)
class LossTerms:
    """What one batch cost, each [N]: `total` is to be minimised; `variational` is None without a learned variance."""

    total: Tensor
    squared_error: Tensor
    variational: Tensor | None


def normal_kl(mean_1: Tensor, log_variance_1: Tensor, mean_2: Tensor, log_variance_2: Tensor) -> Tensor:
    """KL(N_1 ‖ N_2) in nats, element by element."""
    return 0.5 * (
        -1.0
        + log_variance_2
        - log_variance_1
        + torch.exp(log_variance_1 - log_variance_2)
        + (mean_1 - mean_2) ** 2 * torch.exp(-log_variance_2)
    )


def discretized_log_likelihood(x0: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    """Log p(x_0) in nats of 8-bit levels under a Gaussian, element by element (Ho et al. 2020, equation 13).

    Args:
        x0: in [−1, 1] on the 256-level grid.
        mean: the Gaussian's.
        log_scale: log σ.
    """

    def cumulative(value: Tensor) -> Tensor:
        # The tanh approximation of Page 1977, as the reference has it.
        return 0.5 * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (value + 0.044715 * value**3)))

    centred, sharpness = x0 - mean, torch.exp(-log_scale)
    above, below = cumulative(sharpness * (centred + 1 / 255)), cumulative(sharpness * (centred - 1 / 255))
    smallest = 1e-12
    inside = torch.log((above - below).clamp(min=smallest))
    lowest, highest = torch.log(above.clamp(min=smallest)), torch.log((1.0 - below).clamp(min=smallest))
    return torch.where(x0 < -0.999, lowest, torch.where(x0 > 0.999, highest, inside))


def variational_term(
    estimate: Tensor,
    position: Tensor,
    x0: Tensor,
    x_t: Tensor,
    t: Tensor,
    schedule: NoiseSchedule,
    prediction: Prediction,
) -> Tensor:
    """L_t of the variational bound in bits per dimension: [N]; t = 0 is the decoder's likelihood.

    The caller detaches `estimate`: this term trains the variance alone. x̂_0 is not clipped here.
    """
    true_mean = posterior_mean(x0, x_t, t, schedule)
    true_log_variance = at(schedule.posterior_log_variance_clipped, t, x_t)
    predicted = predict_x0(estimate, x_t, t, schedule, prediction)
    mean = posterior_mean(predicted, x_t, t, schedule)
    log_variance = reverse_log_variance(position, x_t, t, schedule, Variance.LEARNED_RANGE)
    divergence = normal_kl(true_mean, true_log_variance, mean, log_variance).flatten(1).mean(1)
    likelihood = discretized_log_likelihood(x0, mean, 0.5 * log_variance).flatten(1).mean(1)
    return torch.where(t == 0, -likelihood, divergence) / math.log(2.0)


def min_snr_weight(t: Tensor, schedule: NoiseSchedule, ceiling: float) -> Tensor:
    """min(SNR, ceiling) / SNR for an ε-network: [N] float32 (Hang et al. 2023, section 3.4)."""
    ratio = schedule.signal_to_noise
    table = (ratio.clamp(max=ceiling) / ratio).float()  # cast on the CPU: MPS has no float64
    return to_device(table, t.device)[t]


def training_loss(
    output: Tensor,
    x0: Tensor,
    noise: Tensor,
    t: Tensor,
    schedule: NoiseSchedule,
    parameterization: Parameterization,
    min_snr: float | None = None,
) -> LossTerms:
    """The loss of a network's output on x_t = add_noise(x0, noise, t).

    Args:
        output: [N, C or 2C, H, W].
        x0: clean images, [N, C, H, W] in [−1, 1].
        noise: [N, C, H, W] ~ N(0, I).
        t: [N] int64.
        schedule: the prior's.
        parameterization: how to read `output`.
        min_snr: the ceiling of the min-SNR weight, or None for none; for ε-networks.
    """
    estimate, position = split_output(output, x0.shape[1])
    target = _target(x0, noise, t, schedule, parameterization.prediction)
    squared_error = (target - estimate).square().flatten(1).mean(1)
    if min_snr is not None:
        squared_error = squared_error * min_snr_weight(t, schedule, min_snr)
    if position is None or parameterization.variance is not Variance.LEARNED_RANGE:
        return LossTerms(squared_error, squared_error, None)
    x_t = add_noise(x0, noise, t, schedule)
    bits = variational_term(estimate.detach(), position, x0, x_t, t, schedule, parameterization.prediction)
    return LossTerms(squared_error + bits, squared_error, bits)


def _target(x0: Tensor, noise: Tensor, t: Tensor, schedule: NoiseSchedule, prediction: Prediction) -> Tensor:
    if prediction is Prediction.EPSILON:
        return noise
    if prediction is Prediction.X0:
        return x0
    return at(schedule.signal, t, x0) * noise - at(schedule.spread, t, x0) * x0

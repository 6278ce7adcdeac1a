"""Noise schedules: β_t and everything that follows from it, in float64.

Tables are float64 because float32 ones lose 3.6e-4 at t = 1, 2 (posterior variances near zero).
Index t runs from 0 to T − 1; `alphas_cumprod[t]` is the paper's α_t (ᾱ_t in Ho et al. 2020).
"""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from core.domain.errors import PriorError


@dataclass(frozen=True, eq=False)
class NoiseSchedule:
    """The variance schedule a prior was trained with.

    Attributes:
        betas: [T] float64 on the CPU, each in (0, 1].
    """

    betas: Tensor

    def __post_init__(self) -> None:
        betas = self.betas
        if betas.ndim != 1 or betas.dtype != torch.float64 or not bool(((betas > 0) & (betas <= 1)).all()):
            raise PriorError("The noise schedule must be a list of betas in (0, 1].", "Check `schedule` in prior.json.")

    @property
    def steps(self) -> int:
        """T, the number of noise steps."""
        return int(self.betas.shape[0])

    @cached_property
    def alphas_cumprod(self) -> Tensor:
        """ᾱ_t = Π (1 − β_s), s ≤ t. [T] float64."""
        return torch.cumprod(1.0 - self.betas, dim=0)

    @cached_property
    def alphas_cumprod_previous(self) -> Tensor:
        """ᾱ_{t−1}, with ᾱ_{−1} = 1. [T] float64."""
        return torch.cat([torch.ones(1, dtype=torch.float64), self.alphas_cumprod[:-1]])

    @cached_property
    def signal(self) -> Tensor:
        """√ᾱ_t, what is left of the image. [T] float64."""
        return self.alphas_cumprod.sqrt()

    @cached_property
    def spread(self) -> Tensor:
        """√(1 − ᾱ_t), the noise's deviation. [T] float64."""
        return (1.0 - self.alphas_cumprod).sqrt()

    @cached_property
    def inverse_signal(self) -> Tensor:
        """√(1 / ᾱ_t). [T] float64."""
        return (1.0 / self.alphas_cumprod).sqrt()

    @cached_property
    def relative_spread(self) -> Tensor:
        """√(1 / ᾱ_t − 1), the noise's deviation in units of the image's. [T] float64."""
        return (1.0 / self.alphas_cumprod - 1.0).sqrt()

    @cached_property
    def signal_to_noise(self) -> Tensor:
        """SNR(t) = ᾱ_t / (1 − ᾱ_t). [T] float64."""
        return self.alphas_cumprod / (1.0 - self.alphas_cumprod)

    @cached_property
    def posterior_variance(self) -> Tensor:
        """β̃_t, the variance of q(x_{t−1} | x_t, x_0); Ho et al. 2020, equation 7. [T] float64."""
        return self.betas * (1.0 - self.alphas_cumprod_previous) / (1.0 - self.alphas_cumprod)

    @cached_property
    def posterior_log_variance_clipped(self) -> Tensor:
        """Log β̃_t, with β̃_0 = 0 replaced by β̃_1 (Ho et al. 2020; Nichol & Dhariwal 2021). [T] float64."""
        variance = self.posterior_variance
        first = variance[1:2] if self.steps > 1 else self.betas[:1]
        return torch.log(torch.cat([first, variance[1:]]))

    @cached_property
    def log_betas(self) -> Tensor:
        """Log β_t, the upper end of the learned range (Nichol & Dhariwal 2021). [T] float64."""
        return torch.log(self.betas)

    @cached_property
    def log_betas_clipped(self) -> Tensor:
        """Log β_t, with β_0 replaced by β̃_1: it would be far too large at the last step, as in the reference. [T]."""
        return torch.log(torch.cat([self.posterior_variance[1:2], self.betas[1:]]))

    @cached_property
    def posterior_mean_x0(self) -> Tensor:
        """The coefficient of x_0 in the mean of q(x_{t−1} | x_t, x_0). [T] float64."""
        return self.betas * self.alphas_cumprod_previous.sqrt() / (1.0 - self.alphas_cumprod)

    @cached_property
    def posterior_mean_xt(self) -> Tensor:
        """The coefficient of x_t in the mean of q(x_{t−1} | x_t, x_0). [T] float64."""
        alphas = 1.0 - self.betas
        return (1.0 - self.alphas_cumprod_previous) * alphas.sqrt() / (1.0 - self.alphas_cumprod)


def linear_schedule(steps: int = 1000, beta_start: float = 1e-4, beta_end: float = 0.02) -> NoiseSchedule:
    """β rises linearly (Ho et al. 2020): the FFHQ release's and our starter's schedule."""
    return NoiseSchedule(torch.linspace(beta_start, beta_end, steps, dtype=torch.float64))


def scaled_linear_schedule(steps: int = 1000, beta_start: float = 0.00085, beta_end: float = 0.012) -> NoiseSchedule:
    """√β rises linearly (Rombach et al. 2022)."""
    return NoiseSchedule(torch.linspace(beta_start**0.5, beta_end**0.5, steps, dtype=torch.float64) ** 2)


def cosine_schedule(steps: int = 1000, offset: float = 0.008, max_beta: float = 0.999) -> NoiseSchedule:
    """ᾱ follows a squared cosine (Nichol & Dhariwal 2021, equation 17)."""

    def signal(fraction: float) -> float:
        return math.cos((fraction + offset) / (1 + offset) * math.pi / 2) ** 2

    betas = [min(1 - signal((t + 1) / steps) / signal(t / steps), max_beta) for t in range(steps)]
    return NoiseSchedule(torch.tensor(betas, dtype=torch.float64))


def schedule_from_betas(betas: list[float]) -> NoiseSchedule:
    """A prior's own schedule, given as its list of betas."""
    return NoiseSchedule(torch.tensor(betas, dtype=torch.float64))

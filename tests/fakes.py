"""Priors that tests know the truth about."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from core.diffusion.process import Parameterization, at
from core.diffusion.schedule import NoiseSchedule
from core.priors.base import schedule_of
from core.priors.calibration import Calibration
from core.priors.diffusers_unet import UNetPrior, build_network
from core.priors.spec import LinearScheduleSpec, PriorSpec

TINY_NETWORK: dict[str, Any] = {
    "sample_size": 8,
    "in_channels": 12,
    "out_channels": 12,
    "down_block_types": ["DownBlock2D", "AttnDownBlock2D"],
    "up_block_types": ["AttnUpBlock2D", "UpBlock2D"],
    "block_out_channels": [16, 16],
    "layers_per_block": 1,
    "attention_head_dim": 8,
    "norm_num_groups": 4,
}


def tiny_spec(**changes: Any) -> PriorSpec:
    values: dict[str, Any] = {
        "name": "tiny",
        "network": TINY_NETWORK,
        "pixel_unshuffle": 2,
        "schedule": LinearScheduleSpec(steps=50, beta_start=1e-3, beta_end=0.2),
        "resolution": 16,
        "sha256": "1" * 64,
    }
    return PriorSpec(**(values | changes))


def tiny_prior(seed: int = 0, **changes: Any) -> UNetPrior:
    """The starter's shape, as small as it gets, with random weights."""
    spec = tiny_spec(**changes)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return UNetPrior(spec, build_network(spec))


class CrampedPrior(UNetPrior):
    """A prior on a device with memory for few images at once: with more, the CPU's own allocator fails for real."""

    def __init__(self, prior: UNetPrior, most_images: int, failure: Callable[[], object] | None = None) -> None:
        super().__init__(prior.spec, prior.network)
        self.most_images = most_images
        self.failure = failure or (lambda: torch.empty(2**60, dtype=torch.uint8))
        self.batches: list[int] = []

    def predict(self, x_t: Tensor, t: Tensor) -> Tensor:
        self.batches.append(len(x_t))
        if len(x_t) > self.most_images:
            self.failure()
        return super().predict(x_t, t)


class GaussianPrior:
    """The exact prior of images whose pixels are independent N(mean, deviation²): everything about it is known.

    For such images E[x_0 | x_t] is linear in x_t, and with it the exact ε.
    """

    def __init__(self, schedule: NoiseSchedule, mean: float, deviation: float, resolution: int = 4) -> None:
        self.spec = tiny_spec(resolution=max(8, resolution))
        self.schedule = schedule
        self.parameterization = Parameterization()
        self.network = nn.Module()
        self.calibration: Calibration | None = None
        self.mean, self.deviation = mean, deviation

    @property
    def device(self) -> torch.device:
        return torch.device("cpu")

    def expected_x0(self, x_t: Tensor, t: Tensor) -> Tensor:
        alphas = at(self.schedule.alphas_cumprod, t, x_t)
        total = alphas * self.deviation**2 + (1 - alphas)
        return self.mean + alphas.sqrt() * self.deviation**2 / total * (x_t - alphas.sqrt() * self.mean)

    def predict(self, x_t: Tensor, t: Tensor) -> Tensor:
        alphas = at(self.schedule.alphas_cumprod, t, x_t)
        return (x_t - alphas.sqrt() * self.expected_x0(x_t, t)) / (1 - alphas).sqrt()


def tiny_schedule() -> NoiseSchedule:
    return schedule_of(tiny_spec())

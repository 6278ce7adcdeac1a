"""The one interface that the pipeline knows a pretrained model by."""

from typing import Protocol

import torch
from torch import Tensor, nn

from core.diffusion.process import Parameterization, Prediction, Variance
from core.diffusion.samplers import Denoiser
from core.diffusion.schedule import (
    NoiseSchedule,
    cosine_schedule,
    linear_schedule,
    scaled_linear_schedule,
    schedule_from_betas,
)
from core.priors.calibration import Calibration
from core.priors.spec import BetasScheduleSpec, CosineScheduleSpec, PriorSpec


class Prior(Protocol):
    """A diffusion model of what good images look like.

    Attributes:
        spec: what it is; `spec.sha256` identifies its weights.
        network: what tuning changes.
        schedule: its noise schedule, float64.
        parameterization: how to read `predict`'s output.
        device: where it computes.
        calibration: what clean pictures look like to it; None where nobody has measured that.
    """

    spec: PriorSpec
    network: nn.Module
    schedule: NoiseSchedule
    parameterization: Parameterization
    calibration: Calibration | None

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        ...

    def predict(self, x_t: Tensor, t: Tensor) -> Tensor:
        """The network's output for noised images.

        Args:
            x_t: [N, 3, R, R] float32, R = `spec.resolution`.
            t: [N] int64.

        Returns:
            [N, 3, R, R], or [N, 6, R, R] with a learned variance; float32.
        """
        ...


def denoiser_of(prior: Prior) -> Denoiser:
    """The part of a prior that samplers see."""
    return Denoiser(prior.predict, prior.schedule, prior.parameterization)


def schedule_of(spec: PriorSpec) -> NoiseSchedule:
    """The float64 tables that a `prior.json` describes."""
    schedule = spec.schedule
    if isinstance(schedule, CosineScheduleSpec):
        return cosine_schedule(schedule.steps)
    if isinstance(schedule, BetasScheduleSpec):
        return schedule_from_betas(list(schedule.betas))
    build = linear_schedule if schedule.kind == "linear" else scaled_linear_schedule
    return build(schedule.steps, schedule.beta_start, schedule.beta_end)


def parameterization_of(spec: PriorSpec) -> Parameterization:
    """How to read the output of the network that a `prior.json` describes."""
    return Parameterization(Prediction(spec.prediction), Variance(spec.variance))

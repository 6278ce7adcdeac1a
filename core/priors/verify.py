"""Whether a prior is whole and works: hash, keys, shapes, finite values, and one look at what it computes."""

import time
from dataclasses import dataclass

import torch
from torch import Tensor

from core.diffusion.process import add_noise, predict_x0, split_output
from core.diffusion.seeds import image_generator
from core.priors.base import Prior


@dataclass(frozen=True)
class Verification:
    """What a loaded prior showed; loading it has already checked hash, keys, shapes and finite values.

    Attributes:
        parameters: of the network.
        forward_seconds: of one network call, one image, after a warm-up.
        finite: whether its output is.
        output_std: standard deviation of its estimate.
        noisy_error: mean squared error of a smooth picture with noise at t = T/10, rescaled, against the picture.
        denoised_error: the same for the prior's x̂_0.
    """

    parameters: int
    forward_seconds: float
    finite: bool
    output_std: float
    noisy_error: float
    denoised_error: float

    @property
    def ok(self) -> bool:
        """Whether it computes numbers, and takes away more noise than it adds: a wrongly converted one does not."""
        return self.finite and self.denoised_error < self.noisy_error


def verify_prior(prior: Prior) -> Verification:
    """Run a prior on a smooth picture with noise; no photo is needed.

    Args:
        prior: loaded, on the device to test.
    """
    t = prior.schedule.steps // 10
    picture = _smooth_picture(prior.spec.resolution).to(prior.device)
    noise = torch.randn(picture.shape, generator=image_generator(0, "verify")).to(prior.device)
    index = torch.full((1,), t, device=prior.device)
    x_t = add_noise(picture, noise, index, prior.schedule)
    with torch.no_grad():
        prior.predict(x_t, index)
        begun = time.perf_counter()
        output = prior.predict(x_t, index)
        finite = bool(torch.isfinite(output).all())  # reading it waits for a GPU, so the time below is the whole call's
        seconds = time.perf_counter() - begun
    estimate, _ = split_output(output, picture.shape[1])
    x0 = predict_x0(estimate, x_t, index, prior.schedule, prior.parameterization.prediction).clamp(-1.0, 1.0)
    rescaled = (x_t / float(prior.schedule.alphas_cumprod[t].sqrt())).clamp(-1.0, 1.0)
    return Verification(
        parameters=sum(parameter.numel() for parameter in prior.network.parameters()),
        forward_seconds=seconds,
        finite=finite,
        output_std=float(estimate.std()),
        noisy_error=float((rescaled - picture).square().mean()),
        denoised_error=float((x0 - picture).square().mean()),
    )


def _smooth_picture(side: int) -> Tensor:
    """A soft bright disc on a ramp, roughly as light lies on a face: [1, 3, side, side] in [−1, 1]."""
    axis = torch.linspace(-1.0, 1.0, side)
    down, across = axis.view(side, 1), axis.view(1, side)
    light = 0.9 * torch.exp(-2.0 * (down**2 + across**2)) - 0.5 + 0.2 * across
    return light.expand(1, 3, side, side).contiguous()

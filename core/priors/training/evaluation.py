"""How well a prior knows held-out images: the PSNR of its x̂_0 against the noisy input."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from core.diffusion.images import images_to_tensor
from core.diffusion.process import add_noise, at, predict_x0, split_output
from core.diffusion.seeds import image_generator
from core.domain.errors import PriorError
from core.priors.base import Prior

TIMESTEPS = (50, 100, 200, 400)
"""Of a schedule of 1,000 steps; others are measured at the same parts of theirs."""

_SMALLEST_ERROR = 1e-10  # 106 dB, far below what 8 bits can tell: one white picture must not make a mean infinite


def scaled_timesteps(schedule_steps: int) -> tuple[int, ...]:
    """`TIMESTEPS` for a schedule of any length."""
    return tuple(t * schedule_steps // 1000 for t in TIMESTEPS)


def noised(images: np.ndarray, t: int, prior: Prior) -> tuple[Tensor, Tensor]:
    """Images with noise that depends on their place and t alone.

    Args:
        images: [N, R, R, 3] uint8.
        t: the timestep.
        prior: gives schedule and device.

    Returns:
        x_0 and x_t, both [N, 3, R, R] float32.
    """
    x0 = images_to_tensor(list(images)).to(prior.device)
    noise = torch.stack(
        [torch.randn(x0.shape[1:], generator=image_generator(0, "held-out", t, i)) for i in range(len(x0))]
    )
    return x0, add_noise(x0, noise.to(x0.device), torch.full((len(x0),), t, device=x0.device), prior.schedule)


def denoise_once(prior: Prior, x_t: Tensor, t: int) -> Tensor:
    """x̂_{0,t}, clipped: [N, 3, R, R]."""
    index = torch.full((len(x_t),), t, device=x_t.device)
    with torch.no_grad():
        estimate, _ = split_output(prior.predict(x_t, index), x_t.shape[1])
    return predict_x0(estimate, x_t, index, prior.schedule, prior.parameterization.prediction).clamp(-1.0, 1.0)


def rescaled(x_t: Tensor, t: int, prior: Prior) -> Tensor:
    """The noisy input at the image's own scale: x_t / √ᾱ_t, clipped."""
    scale = at(prior.schedule.alphas_cumprod.sqrt(), torch.full((len(x_t),), t), x_t)
    return (x_t / scale).clamp(-1.0, 1.0)


def mean_psnr(images: Tensor, truth: Tensor) -> float:
    """Mean over images of the peak signal-to-noise ratio in dB, range 2: both [N, C, H, W] in [−1, 1].

    An image that is reproduced exactly counts as 106 dB.
    """
    errors = (images - truth).double().square().flatten(1).mean(1).clamp_min(_SMALLEST_ERROR)
    return float((10.0 * torch.log10(4.0 / errors)).mean())


def denoising_psnr(
    prior: Prior, images: np.ndarray, timesteps: Sequence[int] | None = None, batch: int = 16
) -> dict[int, float]:
    """Mean PSNR of x̂_0 in dB on held-out images, for each t.

    Args:
        prior: the one to measure.
        images: [N, R, R, 3] uint8; at least one.
        timesteps: which; None: `TIMESTEPS`, scaled to the prior's schedule.
        batch: images at once; the last one may be smaller.

    Raises:
        PriorError: its estimates are not numbers.
    """
    result = {}
    for t in scaled_timesteps(prior.schedule.steps) if timesteps is None else timesteps:
        x0, x_t = noised(images, t, prior)
        predicted = torch.cat([denoise_once(prior, x_t[i : i + batch], t) for i in range(0, len(x_t), batch)])
        result[t] = mean_psnr(predicted, x0)
        if not math.isfinite(result[t]):
            raise PriorError(
                f"The prior {prior.spec.name!r} computes values that are not finite numbers.",
                "Its weights are unusable.",
            )
    return result

"""What a prior finds in a noised picture, as a few numbers: noise and detail, octave by octave.

Equation 4 asks whether y_K is like x_K for this prior, so every number here follows from y_K alone. The residual
x̂_0 − y_0 would not do: it knows y_0, and tells a blurred photo from a sharp one under any noise.
"""

import numpy as np
import torch
from torch import Tensor

from core.diffusion.images import image_to_tensor
from core.diffusion.octaves import octave_power
from core.diffusion.process import add_noise, noise_from_x0, predict_x0, split_output
from core.diffusion.seeds import image_generator
from core.priors.base import Prior

COARSE_OCTAVES = 2
"""The octaves below the fine ones, which say how much contrast there is: a faded photo has little fine detail too."""

CONTRAST_EXPONENT = 0.5
"""How the power of fine detail grows with that of the coarse from one clean face to another: the slopes of logarithms,
measured on the starter's held-out faces, are 0.4 … 0.7. Detail is compared after it is taken out."""

FINE_OCTAVES = 3
COLOUR_OCTAVES = 4
"""Of luminance only what is fine: how much there is of the coarse is the picture's own business, a white wall or curls.
In the colours JPEG's blocks are coarse."""

_OPPONENT = ((1.0, 1.0, 1.0), (1.0, 0.0, -1.0), (1.0, -2.0, 1.0))
"""Luminance and two differences of colour, orthogonal: noise is as strong in each. JPEG harms colour more."""

_LEAST_POWER = 1e-12  # an estimate clipped flat has none; its logarithm should be a number


def octaves_of(resolution: int) -> tuple[int, int]:
    """How many fine octaves, and how many of colour, are looked at; fewer in tiny pictures."""
    present = max(1, resolution.bit_length() - 3)
    return min(FINE_OCTAVES, present), min(COLOUR_OCTAVES, present)


def finding_names(resolution: int) -> tuple[str, ...]:
    """Of the numbers of `find`, in their order; an octave is named by its upper end in parts of the Nyquist frequency.

    Args:
        resolution: of the prior, in pixels.
    """
    fine, colour = octaves_of(resolution)
    ends = [f"1/{2**number}" if number else "1" for number in range(colour - 1, -1, -1)]
    noise = [f"noise in the luminance up to {end}" for end in ends[-fine:]]
    noise += [f"noise in the colours up to {end}" for end in ends]
    return (*noise, *(f"detail up to {end}" for end in ends[-fine:]))


def find(prior: Prior, picture: np.ndarray, t: int) -> np.ndarray:
    """Noise a picture to t, and say what the prior takes for noise and what for detail. One network call.

    The noise is the same for every picture: what differs between two pictures' numbers is the pictures' doing.

    Args:
        prior: the untouched one.
        picture: at the prior's resolution, [R, R, 3] uint8.
        t: the timestep.

    Returns:
        [F] float64, see `finding_names`; natural logarithms of power: of ε̂ in luminance and in colour, then of the
        luminance of x̂_0, clipped to [−1, 1], beside its contrast.
    """
    x0 = image_to_tensor(picture).to(prior.device)
    noise = torch.randn(x0.shape[1:], generator=image_generator(0, "findings", t)).to(prior.device)
    index = torch.full((1,), t, dtype=torch.int64, device=prior.device)
    x_t = add_noise(x0, noise, index, prior.schedule)
    with torch.no_grad():
        estimate, _ = split_output(prior.predict(x_t, index), x0.shape[1])
    clean = predict_x0(estimate, x_t, index, prior.schedule, prior.parameterization.prediction)
    noise_found = _opponent(noise_from_x0(clean, x_t, index, prior.schedule))
    fine, colour = octaves_of(prior.spec.resolution)
    detail_found = octave_power(_opponent(clean.clamp(-1.0, 1.0))[:, :1], COARSE_OCTAVES + fine)[0]
    contrast = detail_found[:COARSE_OCTAVES].mean().clamp_min(_LEAST_POWER)
    numbers = torch.cat(
        [
            octave_power(noise_found[:, :1], fine)[0],
            octave_power(noise_found[:, 1:], colour)[0],
            detail_found[COARSE_OCTAVES:] / contrast**CONTRAST_EXPONENT,
        ]
    )
    return np.asarray(numbers.double().clamp_min(_LEAST_POWER).log().cpu())


def _opponent(images: Tensor) -> Tensor:
    """RGB turned to luminance and colour differences by an orthonormal matrix: [N, 3, R, R]."""
    axes = torch.nn.functional.normalize(torch.tensor(_OPPONENT, dtype=images.dtype), dim=1).to(images.device)
    return torch.einsum("kc,nchw->nkhw", axes, images)

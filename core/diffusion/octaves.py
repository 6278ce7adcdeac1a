"""Where in a picture its energy lies: power by octave of spatial frequency."""

import math

import torch
from torch import Tensor


def cosine_basis(side: int) -> Tensor:
    """The orthonormal DCT-II: [side, side] float32, one frequency a row, the mean first.

    Cosines rather than Fourier's waves: they continue a picture by its mirror image, so that its borders, which do not
    fit together, are no edges.
    """
    frequency = torch.arange(side, dtype=torch.float64).unsqueeze(1)
    place = torch.arange(side, dtype=torch.float64).add(0.5).unsqueeze(0)
    basis = torch.cos(math.pi / side * frequency * place) * math.sqrt(2.0 / side)
    basis[0] /= math.sqrt(2.0)
    return basis.float()


def octave_power(images: Tensor, octaves: int) -> Tensor:
    """Mean square of the cosine coefficients in each of the highest octaves, over the channels.

    White noise of variance σ² has σ² in every octave.

    Args:
        images: [N, C, S, S] float.
        octaves: how many. The highest holds what is finer than half of the Nyquist frequency, in any direction.

    Returns:
        [N, octaves], the highest last.

    Raises:
        ValueError: pictures so small that an octave would be empty.
    """
    side = images.shape[-1]
    if side >> octaves < 1:
        raise ValueError(f"pictures of {side} pixels have no {octaves} octaves")
    basis = cosine_basis(side).to(images)
    power = (basis @ images @ basis.T).square().mean(1)
    frequency = torch.arange(side, dtype=images.dtype, device=images.device) / side
    radius = torch.hypot(frequency.unsqueeze(0), frequency.unsqueeze(1))  # in units of the Nyquist frequency
    lower = [0.5**number for number in range(octaves, 0, -1)]
    upper = [*lower[1:], math.inf]  # the corners, beyond Nyquist along a diagonal, belong to the highest
    inside = [(radius >= low) & (radius < high) for low, high in zip(lower, upper, strict=True)]
    return torch.stack([power[:, mask].mean(1) for mask in inside], dim=1)

"""Randomness: one explicit generator per image, so that an image does not depend on its neighbours.

Noise is always drawn on the CPU and moved: the same seed is the same noise on every device.
"""

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

from core.diffusion.transfer import to_device


def derive_seed(seed: int, *labels: str | int) -> int:
    """A 63-bit seed for one purpose, independent of all others drawn from `seed`.

    Args:
        seed: the request's.
        labels: what it is for, e.g. ("album", 3).
    """
    text = ":".join(str(part) for part in (seed, *labels))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def image_generator(seed: int, *labels: str | int) -> torch.Generator:
    """A CPU generator for one image and one purpose; arguments as for `derive_seed`."""
    return torch.Generator(device="cpu").manual_seed(derive_seed(seed, *labels))


class NoiseStream:
    """Standard normal noise for a batch, one generator per image.

    The states of the generators are the stream's position: saving and loading them resumes it.
    """

    def __init__(
        self, generators: Sequence[torch.Generator], shape: tuple[int, int, int], device: torch.device | str = "cpu"
    ) -> None:
        """Bind generators to an image shape.

        Args:
            generators: one CPU generator per image, N in all.
            shape: (C, H, W) of one image.
            device: where the noise is wanted.
        """
        self.generators = list(generators)
        self.shape = shape
        self.device = torch.device(device)

    def __call__(self) -> Tensor:
        """Draw the next noise: [N, C, H, W] float32 on `device`.

        Drawing sixteen images of 256 pixels takes about as long as a GPU needs for a step of them: samplers ask for
        it when the network's work is under way, and nothing here waits for that.
        """
        return to_device(torch.stack([torch.randn(self.shape, generator=g) for g in self.generators]), self.device)

    def state(self) -> Tensor:
        """The generators' states, [N, S] uint8."""
        return torch.stack([g.get_state() for g in self.generators])

    def load_state(self, state: Tensor) -> None:
        """Take up where `state` was taken."""
        for generator, row in zip(self.generators, state, strict=True):
            generator.set_state(row.clone())  # a view with an offset into its storage makes set_state crash

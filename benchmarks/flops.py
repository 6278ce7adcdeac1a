"""How much a network computes, counted, and how fast the machine multiplies matrices, measured.

A multiplication and an addition are two operations. Convolutions, matrix products and attention are counted, from
shapes alone (nothing is computed); what is added, normalised or activated is not, and is under one per cent.
"""

import time
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from core.priors.adapters import tunable_copy
from core.priors.diffusers_unet import UNetPrior, build_network
from core.priors.spec import PriorSpec


@dataclass(frozen=True)
class Passes:
    """FLOP of one image, by what the pass is for.

    Attributes:
        forward: denoising.
        guided: denoising, and the gradient for the image (equation 6).
        full: one training sample, the gradients of every weight.
        low_rank: one training sample, the gradients of the adapters.
    """

    forward: int
    guided: int
    full: int
    low_rank: int


def count_passes(spec: PriorSpec, rank: int) -> Passes:
    """Count each kind of pass once.

    Args:
        spec: of the prior; no weights are made.
        rank: of the adapters.
    """
    with torch.device("meta"):
        network = build_network(spec)
    prior = UNetPrior(spec, network)
    full, low_rank = tunable_copy(prior, "full", rank), tunable_copy(prior, "low_rank", rank)
    return Passes(
        forward=_count(prior),
        guided=_count(prior, backward=True, to_image=True),
        full=_count(full, backward=True),
        low_rank=_count(low_rank, backward=True),
    )


def _count(prior: UNetPrior, backward: bool = False, to_image: bool = False) -> int:
    side = prior.spec.resolution
    x_t = torch.zeros(1, 3, side, side, device="meta", requires_grad=to_image)
    t = torch.zeros(1, dtype=torch.int64, device="meta")
    with FlopCounterMode(display=False) as counter, torch.set_grad_enabled(backward):
        output = prior.predict(x_t, t)
        if backward:
            output.sum().backward()  # type: ignore[no-untyped-call]  # torch declares no types for it
    return int(counter.get_total_flops())


def matmul_flop_per_second(device: torch.device, dtype: torch.dtype, seconds: float = 1.0) -> float:
    """The best rate of a large matrix product: what this machine can be asked for at most.

    Args:
        device: where.
        dtype: of the matrices.
        seconds: how long to try.
    """
    side = 8192 if device.type == "cuda" else 1024
    left, right = (torch.ones(side, side, device=device, dtype=dtype) for _ in range(2))
    best = 0.0
    _timed_product(left, right)
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        best = max(best, 2 * side**3 / _timed_product(left, right))
    return best


def _timed_product(left: Tensor, right: Tensor) -> float:
    synchronize(left.device)
    begun = time.perf_counter()
    torch.mm(left, right)
    synchronize(left.device)
    return time.perf_counter() - begun


def synchronize(device: torch.device) -> None:
    """Wait until the device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    elif device.type == "mps":
        torch.mps.synchronize()

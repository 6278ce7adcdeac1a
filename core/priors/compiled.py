"""Compiling a network with `torch.compile`, where the plan is long enough to pay for it.

Compiling an ADM-256 network with its gradients takes one to a few minutes and saves about a fifth of each pass
afterwards, so a restoration or an album never earns it back; a long tuning on a GPU does. Both figures are estimates
until `python -m benchmarks.stages` has been run on a GPU. Only the recipe and the device decide, never a stopwatch:
a compiled network rounds differently, and the same seed must give the same pixels, resumed or not.
"""

import logging
import warnings
from collections.abc import Callable
from typing import Any

import torch

from core.priors.diffusers_unet import UNetPrior

BACKEND: str | Callable[..., Any] = "inductor"
PAYS_FROM_FORWARDS = 50_000
"""Images times passes; a training sample counts three. Of the paper's tunings one has 60,000, the other 36,000."""

logger = logging.getLogger(__name__)


def compiling_pays(device: torch.device, forwards: int) -> bool:
    """Whether a plan earns back the time that compiling takes; never on a CPU, whose passes are not launch-bound.

    Args:
        device: where it computes.
        forwards: of the whole plan, also when the rest of it is resumed.
    """
    return device.type == "cuda" and forwards >= PAYS_FROM_FORWARDS


def compile_for_tuning(prior: UNetPrior, batch: int) -> bool:
    """Compile a tunable prior's network, its gradients included, or leave it as it is and say so.

    Everything is compiled here, by one pass over dummy images, so that a failure costs nothing but a message.

    Args:
        prior: its trainable parameters require gradients; their names and values stay.
        batch: images of each pass to come.

    Returns:
        Whether the network is compiled now.

    Raises:
        torch.OutOfMemoryError: the device is full, which no compilation cures.
    """
    side, device = prior.spec.resolution, prior.device
    images = torch.zeros(batch, 3, side, side, device=device)
    timesteps = torch.zeros(batch, dtype=torch.int64, device=device)
    trainable = [parameter for parameter in prior.network.parameters() if parameter.requires_grad]
    try:
        with warnings.catch_warnings(), torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            warnings.simplefilter("ignore")  # compilers warn of matters of their own
            # Every tuning is a new copy of the network: graphs of earlier ones would be kept and never used again.
            torch.compiler.reset()
            prior.compiled_network = torch.compile(prior.network, backend=BACKEND, dynamic=False)
            torch.autograd.grad(prior.predict(images, timesteps).sum(), trainable, allow_unused=True)  # dropout draws
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # compilers fail in ways of their own; what is wrong with the network fails again below
        prior.compiled_network = None
        logger.warning("The network could not be compiled and computes as it is, slower: %s", _summary(error))
        return False
    return True


def _summary(error: Exception) -> str:
    """Which backend failed, and how: the first two lines; what follows is for those who mend compilers."""
    return " ".join(str(error).strip().splitlines()[:2]) or type(error).__name__

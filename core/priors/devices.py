"""Where to compute and how precisely, from the names that people choose by: for the command line and the worker."""

import torch

from core.domain.errors import HeirloomError
from core.priors.cuda import prepare_cuda


def open_device(name: str) -> torch.device:
    """The device asked for.

    Args:
        name: auto (a GPU where there is one), cpu, cuda or mps.

    Raises:
        HeirloomError: it is not there.
    """
    here = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    chosen = next(kind for kind, there in here.items() if there) if name == "auto" else name
    if not here[chosen]:
        raise HeirloomError(
            f"There is no {chosen} device here.", "Use --device auto, and `heirloom doctor` to see what works."
        )
    if chosen == "cuda":
        prepare_cuda()
    return torch.device(chosen)


def autocast_of(precision: str, device: torch.device) -> torch.dtype | None:
    """The type networks compute in, or None for float32.

    Args:
        precision: auto (bf16 on CUDA devices that compute in it, since Ampere), fp32 or bf16.
        device: where.
    """
    if precision == "auto":
        # Older GPUs emulate bf16, slower than float32.
        native = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if native else None
    return torch.bfloat16 if precision == "bf16" else None


def is_lost(error: BaseException) -> bool:
    """Whether an error means that the device itself failed: nothing more can be computed with it in this process."""
    if isinstance(error, torch.OutOfMemoryError) or "out of memory" in str(error):
        return False
    return isinstance(error, torch.AcceleratorError) or (
        isinstance(error, RuntimeError) and str(error).startswith("CUDA error")
    )

"""Too little memory: one test for what GPUs, the CPU's allocator and Python say of it, and what helps."""

import gc

import torch

from core.domain.errors import OutOfMemoryError

_SAYINGS = ("out of memory", "can't allocate memory", "not enough memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out: torch has a type for it on GPUs, and only words on the CPU."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(saying in str(error) for saying in _SAYINGS)


def too_little_memory(stage: str) -> OutOfMemoryError:
    """The error for a stage that does not fit even one by one."""
    return OutOfMemoryError(
        f"There is too little memory for the stage {stage}, even for one picture at a time.",
        "Use a smaller prior, or the CPU; tuning low-rank adapters instead of every weight needs less.",
    )


def free_what_is_unused(device: torch.device) -> None:
    """Give back what a failed attempt held, so that a smaller one finds it."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()

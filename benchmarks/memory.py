"""The most memory that this process has held."""

import sys
from pathlib import Path

import torch


def peak_bytes(device: torch.device) -> int:
    """What tensors held at most on a CUDA device; elsewhere what the whole process held in main memory.

    On Linux that is VmHWM: the number of getrusage would also count what the parent process held.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource  # not on Windows

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

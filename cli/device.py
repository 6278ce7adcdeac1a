"""Where to compute and how precisely: chosen once, at the edge."""

from enum import StrEnum
from typing import TYPE_CHECKING

from core.domain.errors import HeirloomError

if TYPE_CHECKING:
    import torch


INSTALL = "`make setup` in Heirloom's checkout, or `pip install '.[worker]'` there"
"""No package index has Heirloom."""


class Device(StrEnum):
    """`auto` takes a GPU where there is one."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    MPS = "mps"


class Precision(StrEnum):
    """`auto` is bf16 on CUDA devices that compute in it (since Ampere), and fp32 elsewhere."""

    AUTO = "auto"
    FP32 = "fp32"
    BF16 = "bf16"


def open_device(device: Device) -> "torch.device":
    """The device asked for.

    Raises:
        HeirloomError: it is not there, or torch is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise HeirloomError("torch is not installed, and this command computes.", f"Install it: {INSTALL}.") from error
    here = {Device.CPU: True, Device.CUDA: torch.cuda.is_available(), Device.MPS: torch.backends.mps.is_available()}
    chosen = device
    if device is Device.AUTO:
        chosen = next(d for d in (Device.CUDA, Device.MPS, Device.CPU) if here[d])
    if not here[chosen]:
        raise HeirloomError(
            f"There is no {device.value} device here.", "Use --device auto, and `heirloom doctor` to see what works."
        )
    if chosen is Device.CUDA:
        from core.priors.cuda import prepare_cuda

        prepare_cuda()
    return torch.device(chosen.value)


def autocast_of(precision: Precision, device: "torch.device") -> "torch.dtype | None":
    """The type networks compute in, or None for float32."""
    import torch

    if precision is Precision.AUTO:
        # Older GPUs emulate bf16, slower than float32.
        native = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if native else None
    return torch.bfloat16 if precision is Precision.BF16 else None

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
        import torch  # noqa: F401  # asked for here: our own modules may have been loaded before
    except ImportError as error:
        raise HeirloomError("torch is not installed, and this command computes.", f"Install it: {INSTALL}.") from error
    from core.priors import devices

    return devices.open_device(device.value)


def autocast_of(precision: Precision, device: "torch.device") -> "torch.dtype | None":
    """The type networks compute in, or None for float32."""
    from core.priors import devices

    return devices.autocast_of(precision.value, device)

"""From the host to the device, without making either wait for the other.

A plain `.to("cuda")` waits until the device has done all its work. With a dozen of those in every step the device
idles while the host prepares the next one; with none, the host draws noise while the device computes.
"""

from collections.abc import MutableMapping

from torch import Tensor, device, dtype
from torch.utils.weak import WeakTensorKeyDictionary

_kept: MutableMapping[Tensor, dict[tuple[dtype, device], Tensor]] = WeakTensorKeyDictionary()


def to_device(tensor: Tensor, where: device) -> Tensor:
    """Copy a CPU tensor to a device; on CUDA the copy is queued behind the work that is under way.

    Args:
        tensor: on the CPU; it may be changed or freed at once.
        where: to which device.
    """
    if where.type != "cuda":
        return tensor.to(where)
    return tensor.pin_memory().to(where, non_blocking=True)  # only page-locked memory can be read meanwhile


def kept_on_device(table: Tensor, like: Tensor) -> Tensor:
    """A CPU table in the dtype and on the device of `like`, copied once and kept for as long as the table is.

    The cast comes first: MPS has no float64, and casting a table gives the same numbers as casting its entries.

    Args:
        table: never changed after this call.
        like: gives dtype and device.
    """
    copies = _kept.setdefault(table, {})
    place = (like.dtype, like.device)
    if place not in copies:
        copies[place] = to_device(table.to(like.dtype), like.device)
    return copies[place]

"""Reading and writing weights: safetensors only, and only exactly what is expected.

The library itself accepts duplicate keys and any number of empty tensors, so the header is checked first.
"""

import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save
from torch import Tensor

from core.domain.errors import CheckpointUnreadableError, HeirloomError, WeightsRejectedError

ALLOWED_DTYPES = ("F16", "BF16", "F32")
_MAX_HEADER_BYTES = 4 * 2**20


def _reject_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    keys = [key for key, _ in pairs]
    if len(set(keys)) != len(keys):
        raise ValueError("a key occurs twice")
    return dict(pairs)


def source_name(source: Path | bytes) -> str:
    """What messages call a file, or bytes that never were one."""
    return source.name if isinstance(source, Path) else "The file"


def read_header(
    source: Path | bytes, error: type[HeirloomError] = WeightsRejectedError
) -> dict[str, dict[str, object]]:
    """A safetensors file's header: name → {dtype, shape, data_offsets}; `__metadata__` → strings.

    Args:
        source: the file, or what is in it.
        error: what to raise.

    Raises:
        WeightsRejectedError: (or the given error) not a well-formed safetensors file.
    """
    advice = "The file is damaged or of another kind: fetch or make it again."
    name = source_name(source)
    try:
        with source.open("rb") if isinstance(source, Path) else io.BytesIO(source) as file:
            size = int.from_bytes(file.read(8), "little")
            if not 2 <= size <= _MAX_HEADER_BYTES:
                raise ValueError("its header has an impossible length")
            header = json.loads(file.read(size), object_pairs_hook=_reject_duplicates)
    except (OSError, ValueError, RecursionError) as cause:
        raise error(f"{name} is not a safetensors file ({cause}).", advice) from cause
    if not isinstance(header, dict) or not all(isinstance(value, dict) for value in header.values()):
        raise error(f"{name} is not a safetensors file.", advice)
    return header


def read_weights(
    source: Path | bytes, expected: Mapping[str, tuple[int, ...]], error: type[HeirloomError] = WeightsRejectedError
) -> dict[str, Tensor]:
    """Load tensors by exact key, dtype and shape, finite values only, as float32.

    Args:
        source: the safetensors file, or what is in it.
        expected: every key that must be there, with its shape; no other may.
        error: what to raise.

    Raises:
        WeightsRejectedError: (or the given error) something is missing, too much, misshapen or not finite.
    """
    header = read_header(source, error)
    name = source_name(source)
    header.pop("__metadata__", None)
    advice = "These weights belong to another network, or the file is damaged: check where it came from."
    missing, surplus = sorted(expected.keys() - header.keys()), sorted(header.keys() - expected.keys())
    if missing or surplus:
        what = f"lacks {missing[0]!r}" if missing else f"has the unexpected key {surplus[0]!r}"
        more = len(missing) + len(surplus) - 1
        raise error(f"{name} {what}" + (f" and {more} more differences." if more else "."), advice)
    for key, entry in header.items():
        if entry.get("dtype") not in ALLOWED_DTYPES:
            raise error(f"{name}: {key!r} has the type {entry.get('dtype')}, not a 16- or 32-bit float.", advice)
        if entry.get("shape") != list(expected[key]):
            raise error(f"{name}: {key!r} has shape {entry.get('shape')}, not {list(expected[key])}.", advice)
    try:
        tensors = _read_tensors(source, expected)
    except (SafetensorError, OSError) as cause:
        raise error(f"{name} cannot be read to its end.", advice) from cause
    for key, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise error(f"{name}: {key!r} holds values that are not finite.", advice)
    return tensors


def _read_tensors(source: Path | bytes, keys: Iterable[str]) -> dict[str, Tensor]:
    if isinstance(source, bytes):
        loaded = load(source)
        return {key: loaded[key].float() for key in keys}
    with safe_open(source, framework="pt", device="cpu") as file:
        return {key: file.get_tensor(key).float() for key in keys}


def read_metadata(source: Path | bytes) -> dict[str, str]:
    """The strings a safetensors file carries about itself.

    Raises:
        CheckpointUnreadableError: not a safetensors file.
    """
    metadata = read_header(source, CheckpointUnreadableError).get("__metadata__", {})
    return {key: str(value) for key, value in metadata.items()}


def weights_bytes(
    tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None, dtype: torch.dtype = torch.float16
) -> bytes:
    """Serialise tensors as safetensors, floats in `dtype`, keys sorted so that equal weights give equal bytes."""
    ready = {
        key: (tensors[key].detach().to(dtype) if tensors[key].is_floating_point() else tensors[key]).cpu().contiguous()
        for key in sorted(tensors)
    }
    return _with_sorted_metadata(bytes(save(ready, dict(metadata) if metadata else None)))


def _with_sorted_metadata(data: bytes) -> bytes:
    """The library writes metadata in random order: sorted, equal content has equal bytes and so an equal hash."""
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    if "__metadata__" in header:
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # tensors start at a multiple of eight bytes, as the format asks
    return len(text).to_bytes(8, "little") + text + data[8 + size :]

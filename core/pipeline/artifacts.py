"""How stages hand results on: named arrays with a few plain values, as safetensors bytes. Nothing is pickled."""

import json
from typing import Any

import numpy as np
from safetensors.numpy import load, save


def pack(arrays: dict[str, np.ndarray], values: dict[str, Any] | None = None) -> bytes:
    """Serialise arrays and JSON values.

    Args:
        arrays: by name; any numeric type.
        values: what JSON can hold.
    """
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    contiguous["_"] = np.frombuffer(json.dumps(values or {}, sort_keys=True).encode(), dtype=np.uint8).copy()
    return bytes(save(contiguous))


def unpack(data: bytes) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The inverse of `pack`; only for what this program wrote itself."""
    arrays = load(data)
    values: dict[str, Any] = json.loads(arrays.pop("_").tobytes())
    return arrays, values

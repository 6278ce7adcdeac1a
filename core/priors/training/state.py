"""The resume state of a training: everything the next step depends on, two generations on disk."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from core.domain.errors import CheckpointMismatchError
from core.imaging.files import output_error, write_atomically

Row = dict[str, float]
"""One measurement: step, loss, learning_rate, and psnr_T in dB for each timestep T."""


_NAMES = ("state.new.safetensors", "state.safetensors", "state.previous.safetensors")
"""Newest first; the first is there only where a save was cut off between two renames."""


@dataclass
class TrainingState:
    """Where a training is.

    Attributes:
        step: optimizer steps done.
        tensors: "weight/…", "ema/…", "first/…", "second/…" by parameter name.
        history: rows of what was measured on the way.
        loss_average: over about the last hundred steps.
    """

    step: int
    tensors: dict[str, torch.Tensor]
    history: list[Row] = field(default_factory=list)
    loss_average: float = 0.0


def save_state(folder: Path, state: TrainingState, identity: str, network: str) -> None:
    """Write the state beside the previous one, so that a damaged file costs one interval and no more.

    Args:
        folder: the run's.
        state: to keep.
        identity: of recipe, data and starting weights: another run cannot take it up.
        network: of the network and its resolution.

    Raises:
        OutputError: it cannot be written; the states that were there stay.
    """
    metadata = {
        "step": str(state.step),
        "identity": identity,
        "network": network,
        "history": json.dumps(state.history),
        "loss_average": repr(state.loss_average),
    }
    data = save({name: tensor.detach().cpu().contiguous() for name, tensor in state.tensors.items()}, metadata)
    new, current, previous = (folder / name for name in _NAMES)
    write_atomically(new, data)  # whole before anything is moved: a full disk, or a damaged state, costs no good one
    try:
        if current.exists():
            current.replace(previous)
        new.replace(current)
    except OSError as error:
        raise output_error(error, current) from error


def load_state(folder: Path, identity: str, network: str) -> TrainingState | None:
    """The newest readable state, or None at the beginning.

    Args:
        folder: the run's.
        identity: as it was given to `save_state`.
        network: likewise; states from before it was kept have none.

    Raises:
        CheckpointMismatchError: the folder holds the state of another training.
    """
    for name in _NAMES:
        path = folder / name
        metadata = _metadata(path)
        if metadata is None:
            continue
        if metadata["identity"] != identity or metadata.get("network", network) != network:
            raise CheckpointMismatchError(
                f"{folder} holds the state of a training with other numbers, images or starting weights.",
                "Choose another folder with -o, or give the numbers it was begun with.",
            )
        history = json.loads(metadata["history"])
        return TrainingState(int(metadata["step"]), load_file(path), history, float(metadata.get("loss_average", 0.0)))
    return None


def _metadata(path: Path) -> dict[str, Any] | None:
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            header: dict[str, Any] = json.loads(file.read(size))
        load_file(path)  # whole, or not at all
        metadata: dict[str, Any] = header["__metadata__"]
        int(metadata["step"]), metadata["identity"], json.loads(metadata["history"])
    except (OSError, ValueError, KeyError, SafetensorError, MemoryError, OverflowError):
        return None
    return metadata

"""Folders as diffusers publishes them → a prior, as they are."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from core.domain.errors import WeightsRejectedError
from core.priors.convert import read_pt
from core.priors.diffusers_config import describe_diffusers_folder, weights_path
from core.priors.diffusers_unet import UNetPrior, build_network
from core.priors.weights import read_header, read_weights

_OLD_NAMES = {".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value.", ".to_out.0.": ".proj_attn."}
"""Attention as diffusers named it until 2023; the published DDPM weights still do."""

Shapes = Mapping[str, tuple[int, ...]]


def load_diffusers_folder(folder: Path) -> UNetPrior:
    """Load a published pipeline's network with its schedule.

    Args:
        folder: in one of the two layouts of `core.priors.diffusers_config`.

    Raises:
        PriorError: its description is broken, or says something that is not supported.
        WeightsRejectedError: its weights are missing, or not exactly what the description says.
    """
    spec = describe_diffusers_folder(folder)
    network = build_network(spec)
    expected = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    network.load_state_dict(_read(weights_path(folder), expected), strict=True)
    return UNetPrior(spec, network)


def _read(path: Path, expected: Shapes) -> dict[str, Tensor]:
    """Weights by the names that `expected` has, float32, whichever names the file has."""
    if path.suffix == ".safetensors":
        names = _names_in(read_header(path), expected)
        tensors = read_weights(path, {names[key]: shape for key, shape in expected.items()})
    else:
        tensors = read_pt(path)
        names = _names_in(tensors, expected)
        _check(path, tensors, {names[key]: shape for key, shape in expected.items()})
    return {key: tensors[names[key]].float() for key in expected}


def _names_in(stored: Mapping[str, object], expected: Shapes) -> dict[str, str]:
    """Today's name of each tensor → the name it has in the file."""
    if not any(".proj_attn." in key for key in stored):
        return {key: key for key in expected}
    names = {}
    for key in expected:
        old = key
        for today, former in _OLD_NAMES.items():
            old = old.replace(today, former) if ".attentions." in key else old
        names[key] = old
    return names


def _check(path: Path, tensors: Mapping[str, Tensor], expected: Shapes) -> None:
    """Demand of a state dict what `read_weights` demands of a file: keys, shapes, finite floats."""
    advice = "These weights belong to another network, or the file is damaged: fetch the whole folder again."
    wrong = expected.keys() ^ tensors.keys()
    wrong |= {key for key in expected.keys() & tensors.keys() if tuple(tensors[key].shape) != tuple(expected[key])}
    if wrong:
        raise WeightsRejectedError(
            f"{path.name} does not fit its config.json: {min(wrong)!r} and {len(wrong) - 1} more differ.", advice
        )
    for key, tensor in tensors.items():
        if not tensor.is_floating_point() or not bool(torch.isfinite(tensor).all()):
            raise WeightsRejectedError(f"{path.name}: {key!r} holds values that are not finite.", advice)

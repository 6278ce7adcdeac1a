"""Priors that can be tuned: every weight, or low-rank adapters beside frozen ones (Hu et al. 2022, through peft).

The untuned prior is never changed: a tunable prior is a copy. A low-rank copy shares the frozen weights with it,
and they stay unmerged (merging loses 3.9e-6, and one base can serve many subjects).
"""

import copy
import re
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from core.priors.diffusers_unet import UNetPrior

Method = Literal["full", "low_rank"]
_ADAPTER = "subject"


def tunable_copy(prior: UNetPrior, method: Method, rank: int, seed: int = 0) -> UNetPrior:
    """A copy of a prior whose trainable parameters are the ones that tuning changes.

    Args:
        prior: left untouched.
        method: all weights, or low-rank adapters on every convolution and linear layer.
        rank: of the adapters; no adapter is wider than its layer.
        seed: of the adapters' first values.
    """
    if method == "full":
        copied = _wrap(prior, copy.deepcopy(prior.network))
        copied.network.requires_grad_(True)
        return copied
    shared: dict[int, object] = {
        id(tensor): tensor for tensor in (*prior.network.parameters(), *prior.network.buffers())
    }
    network = copy.deepcopy(prior.network, shared)  # the memo makes the copy share every tensor with the original
    adapted = _wrap(prior, _inject(network, rank, seed))
    for parameter in tuned_parameters(adapted, method).values():
        parameter.requires_grad_(True)
    return adapted


def _wrap(prior: UNetPrior, network: nn.Module) -> UNetPrior:
    wrapped = UNetPrior(prior.spec, network)
    wrapped.autocast_dtype = prior.autocast_dtype
    return wrapped


def _inject(network: nn.Module, rank: int, seed: int) -> nn.Module:
    from peft import LoraConfig, inject_adapter_in_model  # here: importing peft costs a second

    layers = {name: module for name, module in network.named_modules() if isinstance(module, (nn.Conv2d, nn.Linear))}
    ranks = {f"^{re.escape(name)}$": min(rank, *_widths(module)) for name, module in layers.items()}
    config = LoraConfig(
        r=rank,
        lora_alpha=rank,
        rank_pattern=ranks,
        alpha_pattern=ranks,
        target_modules=list(layers),
        init_lora_weights=True,  # B starts at zero: an untrained adapter changes nothing
    )
    with torch.random.fork_rng(devices=[]):  # peft draws from the global generator: ours stays out of it
        torch.manual_seed(seed)
        adapted: nn.Module = inject_adapter_in_model(config, network, adapter_name=_ADAPTER)
    return adapted


def _widths(module: nn.Conv2d | nn.Linear) -> tuple[int, int]:
    if isinstance(module, nn.Conv2d):
        return module.in_channels, module.out_channels
    return module.in_features, module.out_features


def _is_adapter(name: str) -> bool:
    return f".lora_A.{_ADAPTER}." in name or f".lora_B.{_ADAPTER}." in name


def tuned_parameters(prior: UNetPrior, method: Method) -> dict[str, nn.Parameter]:
    """The parameters that tuning changes, by name, in the network's order."""
    named = prior.network.named_parameters()
    return {name: parameter for name, parameter in named if method == "full" or _is_adapter(name)}


def tuned_state(prior: UNetPrior, method: Method) -> dict[str, Tensor]:
    """The tensors a subject checkpoint holds, by name."""
    if method == "full":
        return dict(prior.network.state_dict())
    return {name: parameter.detach() for name, parameter in tuned_parameters(prior, method).items()}


def expected_shapes(prior: UNetPrior, method: Method, rank: int) -> dict[str, tuple[int, ...]]:
    """What a checkpoint for this prior must hold exactly."""
    source = prior if method == "full" else tunable_copy(prior, method, rank)
    return {name: tuple(tensor.shape) for name, tensor in tuned_state(source, method).items()}


def apply_tuned_state(prior: UNetPrior, method: Method, rank: int, tensors: Mapping[str, Tensor]) -> UNetPrior:
    """A copy of the prior with a subject's weights.

    Args:
        prior: left untouched.
        method: what `tensors` are.
        rank: of the adapters.
        tensors: exactly the keys of `expected_shapes`; checked by the reader.
    """
    tuned = tunable_copy(prior, method, rank)
    device = prior.device
    with torch.no_grad():
        state = dict(tuned.network.state_dict(keep_vars=True))
        for name, tensor in tensors.items():
            state[name].copy_(tensor.to(device))
    tuned.network.requires_grad_(False)
    tuned.network.eval()
    return tuned

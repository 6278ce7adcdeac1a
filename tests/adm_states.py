"""Checkpoints in guided-diffusion's format, made from random networks by turning the mapping round."""

import torch
from torch import Tensor

from core.priors.adm import AdmLayout, module_names, network_config
from core.priors.diffusers_unet import build_network
from tests.fakes import tiny_spec

_INNER = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
    "group_norm": "norm",
    "to_out.0": "proj_out",
}


def layout(multipliers=(1, 2), attention=(False, True), out_channels=6, res_blocks=1) -> AdmLayout:
    """As narrow as 32 norm groups allow."""
    return AdmLayout(32, tuple(multipliers), res_blocks, tuple(attention), out_channels, scale_shift=True)


def random_network(shape: AdmLayout, resolution: int = 32, head_channels: int | None = None) -> torch.nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build_network(tiny_spec(network=network_config(shape, resolution, head_channels, 0.0)))
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=0.05)
    return network.eval()


def adm_state(shape: AdmLayout, state: dict[str, Tensor], head_channels: int | None = None) -> dict[str, Tensor]:
    """The same weights under guided-diffusion's names, attention in its legacy order [head][q|k|v]."""
    adm: dict[str, Tensor] = {}
    for ours, place in ((theirs, name) for name, theirs in module_names(shape)):
        inside = {key.removeprefix(f"{ours}."): value for key, value in state.items() if key.startswith(f"{ours}.")}
        for key, value in inside.items():
            inner, _, kind = key.rpartition(".")
            if inner.startswith("to_") and inner != "to_out.0":
                continue
            name = ".".join(part for part in (place, _INNER.get(inner, inner), kind) if part)
            adm[name] = value.unsqueeze(-1) if inner == "to_out.0" and kind == "weight" else value
        for kind in ("weight", "bias"):
            if f"to_q.{kind}" in inside:
                parts = [inside[f"to_{letter}.{kind}"] for letter in "qkv"]
                width = len(parts[0])
                per_head = head_channels or width
                blocks = [part.reshape(width // per_head, 1, per_head, *part.shape[1:]) for part in parts]
                rows = torch.cat(blocks, dim=1).reshape(3 * width, *parts[0].shape[1:])
                adm[f"{place}.qkv.{kind}"] = rows.unsqueeze(-1) if kind == "weight" else rows
    return adm

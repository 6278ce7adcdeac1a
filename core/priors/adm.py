"""guided-diffusion (ADM) checkpoints → `UNet2DModel`, exactly (Dhariwal & Nichol 2021; openai/guided-diffusion, MIT).

The two networks are the same function; only names and the layout of the attention's projections differ. The shape of
the network is read off the checkpoint's own tensors; only the number of attention heads and the image size leave no
trace there.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from core.domain.errors import WeightsRejectedError

_ADVICE = "Only unconditional guided-diffusion networks with residual up- and downsampling are read."
_RESOLUTION_OF = {(1, 2, 3, 4): 64, (1, 1, 2, 3, 4): 128, (1, 1, 2, 2, 4, 4): 256}
"""guided-diffusion's own multipliers for its image sizes."""


@dataclass(frozen=True)
class AdmLayout:
    """What an ADM network looks like.

    Attributes:
        channels: of the first level.
        multipliers: of each level's channels.
        res_blocks: per level.
        attention: for each level, whether it has attention.
        out_channels: 3, or 6 with a learned variance.
        scale_shift: the timestep scales and shifts the norms.
    """

    channels: int
    multipliers: tuple[int, ...]
    res_blocks: int
    attention: tuple[bool, ...]
    out_channels: int
    scale_shift: bool

    @property
    def levels(self) -> int:
        """Resolutions the network works at."""
        return len(self.multipliers)


def read_layout(state: Mapping[str, Tensor]) -> AdmLayout:
    """Read the network's shape off its tensors.

    Raises:
        WeightsRejectedError: not an ADM network that is read here.
    """
    try:
        return _read_layout(state)
    except (KeyError, IndexError, ZeroDivisionError) as error:
        raise WeightsRejectedError("The checkpoint is not a guided-diffusion network.", _ADVICE) from error


def _read_layout(state: Mapping[str, Tensor]) -> AdmLayout:
    if "label_emb.weight" in state:
        raise WeightsRejectedError("The checkpoint is class-conditional.", _ADVICE)
    if any(key.endswith((".op.weight", ".conv.weight")) for key in state):
        raise WeightsRejectedError("The checkpoint resamples by plain convolutions, not by residual blocks.", _ADVICE)
    channels = state["input_blocks.0.0.weight"].shape[0]
    blocks = len({key.split(".")[1] for key in state if key.startswith("output_blocks.")})
    # The last block of each level but the shallowest also enlarges: a second residual block in the same place.
    enlarging = [i for i in range(blocks) if any(f"output_blocks.{i}.{j}.in_layers.2.weight" in state for j in (1, 2))]
    per_level = enlarging[0] + 1 if enlarging else blocks
    levels = blocks // per_level
    if levels * per_level != blocks or enlarging != [per_level * (i + 1) - 1 for i in range(levels - 1)]:
        raise KeyError("output_blocks")
    first = [1 + level * per_level for level in range(levels)]
    widths = [state[f"input_blocks.{i}.0.out_layers.3.weight"].shape[0] for i in first]
    if any(width % channels for width in widths) or widths[0] != channels:
        raise WeightsRejectedError("The checkpoint's first level is not as wide as its input.", _ADVICE)
    return AdmLayout(
        channels=channels,
        multipliers=tuple(width // channels for width in widths),
        res_blocks=per_level - 1,
        attention=tuple(f"input_blocks.{i}.1.qkv.weight" in state for i in first),
        out_channels=state["out.2.weight"].shape[0],
        scale_shift=state["input_blocks.1.0.emb_layers.1.weight"].shape[0] == 2 * channels,
    )


def resolution_of(layout: AdmLayout) -> int | None:
    """The image size guided-diffusion pairs with these multipliers, or None for other ones."""
    return _RESOLUTION_OF.get(layout.multipliers)


def network_config(layout: AdmLayout, resolution: int, head_channels: int | None, dropout: float) -> dict[str, Any]:
    """`UNet2DModel`'s arguments for an ADM network.

    Args:
        layout: from `read_layout`.
        resolution: image side in pixels.
        head_channels: channels of one attention head; None: one head.
        dropout: in the residual blocks, at work while tuning.
    """
    down = ["AttnDownBlock2D" if attends else "ResnetDownsampleBlock2D" for attends in layout.attention]
    up = ["AttnUpBlock2D" if attends else "ResnetUpsampleBlock2D" for attends in reversed(layout.attention)]
    return {
        "sample_size": resolution,
        "in_channels": 3,
        "out_channels": layout.out_channels,
        "freq_shift": 0,
        "flip_sin_to_cos": True,
        "block_out_channels": [layout.channels * multiplier for multiplier in layout.multipliers],
        "layers_per_block": layout.res_blocks,
        "down_block_types": down,
        "up_block_types": up,
        "downsample_type": "resnet",
        "upsample_type": "resnet",
        "dropout": dropout,
        "attention_head_dim": head_channels,
        "norm_num_groups": 32,
        "attn_norm_num_groups": 32,
        "norm_eps": 1e-5,
        "resnet_time_scale_shift": "scale_shift" if layout.scale_shift else "default",
    }


def module_names(layout: AdmLayout) -> list[tuple[str, str]]:
    """Pairs of module names, ADM's and `UNet2DModel`'s, for every residual block, attention and lone layer."""
    per_level = layout.res_blocks + 1
    names = [
        ("time_embed.0", "time_embedding.linear_1"),
        ("time_embed.2", "time_embedding.linear_2"),
        ("input_blocks.0.0", "conv_in"),
        ("middle_block.0", "mid_block.resnets.0"),
        ("middle_block.1", "mid_block.attentions.0"),
        ("middle_block.2", "mid_block.resnets.1"),
        ("out.0", "conv_norm_out"),
        ("out.2", "conv_out"),
    ]
    for level, attends in enumerate(layout.attention):
        for i in range(layout.res_blocks):
            block = f"input_blocks.{1 + level * per_level + i}"
            names.append((f"{block}.0", f"down_blocks.{level}.resnets.{i}"))
            if attends:
                names.append((f"{block}.1", f"down_blocks.{level}.attentions.{i}"))
        if level < layout.levels - 1:
            names.append((f"input_blocks.{(level + 1) * per_level}.0", f"down_blocks.{level}.downsamplers.0"))
    for position, attends in enumerate(reversed(layout.attention)):
        for i in range(per_level):
            block = f"output_blocks.{position * per_level + i}"
            names.append((f"{block}.0", f"up_blocks.{position}.resnets.{i}"))
            if attends:
                names.append((f"{block}.1", f"up_blocks.{position}.attentions.{i}"))
        if position < layout.levels - 1:
            last = f"output_blocks.{(position + 1) * per_level - 1}.{2 if attends else 1}"
            names.append((last, f"up_blocks.{position}.upsamplers.0"))
    return names


_RESIDUAL = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "skip_connection": "conv_shortcut",
}
_ATTENTION = {"norm": "group_norm", "proj_out": "to_out.0"}


def convert_state(
    state: Mapping[str, Tensor], layout: AdmLayout, head_channels: int | None, new_attention_order: bool = False
) -> dict[str, Tensor]:
    """Rename and split an ADM network's tensors for `UNet2DModel`; `strict=True` loads the result.

    Args:
        state: the checkpoint's, every key used exactly once.
        layout: from `read_layout`.
        head_channels: channels of one attention head; None: one head.
        new_attention_order: rows of qkv are [q|k|v][head] instead of the legacy [head][q|k|v].

    Raises:
        WeightsRejectedError: a key has no place in such a network.
    """
    places = dict(module_names(layout))
    converted: dict[str, Tensor] = {}
    for key, tensor in state.items():
        match = re.fullmatch(r"(time_embed\.\d|out\.\d|middle_block\.\d|(?:input|output)_blocks\.\d+\.\d)\.(.+)", key)
        place = places.get(match.group(1)) if match else None
        if match is None or place is None:
            raise WeightsRejectedError(f"The checkpoint has the unexpected key {key!r}.", _ADVICE)
        inner, _, kind = match.group(2).rpartition(".")
        if inner == "qkv":
            for letter, part in zip("qkv", _split_qkv(tensor, head_channels, new_attention_order), strict=True):
                converted[f"{place}.to_{letter}.{kind}"] = part
        elif inner in _ATTENTION and ".attentions." in place:
            converted[f"{place}.{_ATTENTION[inner]}.{kind}"] = tensor.squeeze(-1) if tensor.ndim == 3 else tensor
        elif inner in _RESIDUAL:
            converted[f"{place}.{_RESIDUAL[inner]}.{kind}"] = tensor
        elif not inner:
            converted[f"{place}.{kind}"] = tensor
        else:
            raise WeightsRejectedError(f"The checkpoint has the unexpected key {key!r}.", _ADVICE)
    return converted


def _split_qkv(tensor: Tensor, head_channels: int | None, new_attention_order: bool) -> tuple[Tensor, ...]:
    """[3C, C, 1] or [3C] → three of [C, C] or [C]; conv1d's axis goes, the rows are sorted by q, k, v."""
    if tensor.ndim == 3:
        tensor = tensor.squeeze(-1)
    width = tensor.shape[0] // 3
    per_head = head_channels or width
    if width % per_head:
        raise WeightsRejectedError(
            f"The attention has {width} channels, which heads of {per_head} do not divide.", "Check --head-channels."
        )
    if new_attention_order:
        return torch.unbind(tensor.reshape(3, width, *tensor.shape[1:]), dim=0)
    rows = tensor.reshape(width // per_head, 3, per_head, *tensor.shape[1:])
    return tuple(part.reshape(width, *tensor.shape[1:]).contiguous() for part in torch.unbind(rows, dim=1))

"""Small pipelines that diffusers itself saves, for tests of what reads them."""

import json
import shutil
from pathlib import Path

import torch
from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel

NETWORK = {
    "sample_size": 16,
    "in_channels": 3,
    "out_channels": 3,
    "block_out_channels": (16, 16),
    "layers_per_block": 1,
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
    "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
    "norm_num_groups": 4,
    "attention_head_dim": None,
}


def save_pipeline(folder: Path, network=None, safe=True, **scheduler) -> DDPMPipeline:
    """A `DDPMPipeline` with random weights, saved by diffusers in today's layout."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        unet = UNet2DModel(**(NETWORK | (network or {})))
    pipeline = DDPMPipeline(unet, DDPMScheduler(**({"num_train_timesteps": 40, "beta_end": 0.2} | scheduler)))
    pipeline.save_pretrained(folder, safe_serialization=safe)
    return pipeline


def flatten(folder: Path) -> None:
    """Turn today's layout into the one of 2022: everything at the top."""
    for part in ("unet", "scheduler"):
        for file in (folder / part).iterdir():
            shutil.move(file, folder / file.name)
        (folder / part).rmdir()


def edit_json(path: Path, **changes) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))

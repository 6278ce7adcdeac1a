"""Recipes of a tenth of a second, and what is sent to be made by them."""

import functools
import json
import random
from pathlib import Path

import numpy as np
from skimage.data import astronaut

from cli.demo_pictures import LIGHTS, lit, portrait
from core.imaging.intake import encode
from core.imaging.resize import resize
from tests.acceptance.people import zipped

_RESTORE = {"noise_steps": 40, "sampler": "dpm-solver++", "sampler_steps": 4}
_FINETUNE = {"iterations": 8, "batch": 2, "learning_rate": 1e-4, "scorings": 1}
RECIPES = [
    {"name": "chaos-direct", "mode": "direct", "restore": _RESTORE},
    {"name": "chaos-personal", "mode": "personal", "finetune": _FINETUNE, "restore": _RESTORE},
    {
        "name": "chaos-generative",
        "mode": "generative",
        "album": {"images": 3, "start_steps": 24, "batch": 3},
        "finetune": _FINETUNE,
        "restore": _RESTORE,
    },
]
CROPS = 16
_LARGE_BYTES = 1_200_000


def write_recipes(home: Path) -> None:
    """Where HEIRLOOM_RECIPES_FILE looks."""
    (home / "recipes.json").write_text(json.dumps(RECIPES))


@functools.cache
def crop(number: int) -> bytes:
    """A crop in FFHQ framing, [64, 64]; there are `CROPS` different ones."""
    face = np.ascontiguousarray(astronaut()[10:266, 90:346])
    return encode(resize(np.roll(face, 5 * (number % CROPS), axis=1), 64), "png")


@functools.cache
def album(side: int = 128, count: int = 3, *, large: bool = False) -> bytes:
    """A zip of different photos of one face; a large one is spooled to a file on its way in."""
    photos = {
        f"{number}.png": encode(resize(lit(portrait(), light), side), "png")
        for number, light in enumerate(LIGHTS[:count])
    }
    more = {"notes.txt": random.Random(1).randbytes(_LARGE_BYTES)} if large else {}
    return zipped(photos | more)


def unreadable() -> bytes:
    """What begins like a photo, and is none: taken, and failed by its job."""
    return crop(0)[:200] + bytes(100)

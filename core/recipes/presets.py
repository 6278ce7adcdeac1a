"""The presets, one row each: its numbers, what it buys, where it comes from."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from core.domain.errors import InvalidRecipeError
from core.domain.mode import Mode
from core.recipes.schema import AlbumRecipe, FinetuneRecipe, Recipe, RestoreRecipe


@dataclass(frozen=True)
class Preset:
    """A named recipe.

    Attributes:
        recipe: its numbers.
        buys: what it is good for, one sentence.
        source: where the numbers come from.
    """

    recipe: Recipe
    buys: str
    source: str


QUICK_NOISE_STEPS = 106
"""The paper's K = 200 at 256 pixels, carried over to 128: a face there has half as many pixels a side, so the same
noise hides features twice as large. At t = 105 the noise-to-signal ratio √((1−ᾱ)/ᾱ) is half of that at t = 199."""

_QUICK = RestoreRecipe(noise_steps=QUICK_NOISE_STEPS, by_photo=True, sampler="dpm-solver++", sampler_steps=20)
"""Of the starter: a small prior, which does clean faces no good (docs/decisions/0023)."""

_OURS = "ours: docs/reference/measurements.md"

_PRESETS = (
    Preset(
        Recipe(
            name="paper-generative",
            mode=Mode.GENERATIVE,
            album=AlbumRecipe(images=16, start_steps=200, guidance_scale=0.3, guidance_every=10),
            finetune=FinetuneRecipe(iterations=3_000, batch=4, learning_rate=1e-5),
            restore=RestoreRecipe(noise_steps=200),
        ),
        buys="The paper's blind restoration of one photo, for a 256-pixel prior on a GPU.",
        source="Ding et al., CVPR 2024, section 4.1; λ and n from the authors' released sampler",
    ),
    Preset(
        Recipe(
            name="paper-personal",
            mode=Mode.PERSONAL,
            finetune=FinetuneRecipe(iterations=5_000, batch=4, learning_rate=1e-5),
            restore=RestoreRecipe(noise_steps=200),
        ),
        buys="The paper's personal model: tune once on about 20 photos, for a 256-pixel prior on a GPU.",
        source="Ding et al., CVPR 2024, section 4.2",
    ),
    Preset(
        Recipe(
            name="quick-generative",
            mode=Mode.GENERATIVE,
            album=AlbumRecipe(images=8, start_steps=200, sampler="dpm-solver++", sampler_steps=20, batch=8),
            finetune=FinetuneRecipe(iterations=120, batch=4, learning_rate=1e-4, timesteps_below=200),
            restore=_QUICK,
        ),
        buys="One photo in minutes without a GPU, with the starter prior.",
        source=_OURS,
    ),
    Preset(
        Recipe(
            name="quick-personal",
            mode=Mode.PERSONAL,
            finetune=FinetuneRecipe(iterations=250, batch=4, learning_rate=3e-4, timesteps_below=200),
            restore=_QUICK,
        ),
        buys="A personal checkpoint in minutes without a GPU, with the starter prior; seconds a photo afterwards.",
        source=_OURS,
    ),
    Preset(
        Recipe(
            name="quick-direct",
            mode=Mode.DIRECT,
            restore=_QUICK,
        ),
        buys="The preview with the starter prior: a second a photo, and the baseline that the quick modes must beat.",
        source=_OURS,
    ),
    Preset(
        Recipe(name="direct", mode=Mode.DIRECT, restore=RestoreRecipe(noise_steps=200)),
        buys="The prior as it is: the preview with a 256-pixel prior, and the baseline that its other modes must beat.",
        source="Ding et al., CVPR 2024, equation 5",
    ),
)

PRESETS: dict[str, Preset] = {preset.recipe.name: preset for preset in _PRESETS}


def preset(name: str, own: Mapping[str, Preset] | None = None) -> Preset:
    """Look a preset up.

    Args:
        name: of it.
        own: the operator's own recipes, where there are some.

    Raises:
        InvalidRecipeError: there is none of that name; the message names the nearest.
    """
    known = {**PRESETS, **(own or {})}
    if name in known:
        return known[name]
    near = get_close_matches(name, known, n=1)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    raise InvalidRecipeError(f"There is no recipe {name!r}.", f"{hint}The presets are {', '.join(known)}.")


def default_preset(mode: Mode, resolution: int) -> Preset:
    """The preset for a prior: `quick-*` below 256 pixels, `paper-*` (or `direct`) from there on.

    Args:
        mode: personal, generative or direct.
        resolution: the prior's, in pixels.
    """
    if resolution < 256:
        return PRESETS[f"quick-{mode.value}"]
    return PRESETS["direct" if mode is Mode.DIRECT else f"paper-{mode.value}"]

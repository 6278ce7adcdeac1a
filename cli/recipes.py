"""`heirloom recipes`: every preset, its numbers, its cost, its source."""

import json
from typing import Annotated

import typer

from cli.progress import console
from cli.settings import own_recipes
from core.recipes.cost import cost_of
from core.recipes.presets import PRESETS, Preset
from core.recipes.schema import AlbumRecipe, RestoreRecipe


def recipes_command(
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable on standard output.")] = False,
) -> None:
    """Show every preset, and those of HEIRLOOM_RECIPES_FILE: numbers, cost in network forwards, use, source."""
    presets = [*PRESETS.values(), *own_recipes().values()]
    if as_json:
        typer.echo(json.dumps([_as_json(preset) for preset in presets], indent=1))
        return
    for preset in presets:
        console.print(f"[bold]{preset.recipe.name}[/]  {preset.buys}", soft_wrap=True, highlight=False)
        for name, text in _lines(preset):
            console.print(f"  {name:<9} {text}", soft_wrap=True, highlight=False)
        console.print()


def _as_json(preset: Preset) -> dict[str, object]:
    numbers = preset.recipe.model_dump(mode="json")
    forwards = cost_of(preset.recipe).total
    return {**numbers, "forwards": forwards, "buys": preset.buys, "source": preset.source}


def _lines(preset: Preset) -> list[tuple[str, str]]:
    recipe, cost = preset.recipe, cost_of(preset.recipe)
    lines = [
        ("restore", f"K = {recipe.restore.noise_steps}, {_sampler(recipe.restore)}: {cost.restore:,} forwards a photo")
    ]
    if recipe.finetune is not None:
        tune = recipe.finetune
        drawn = f", t below {tune.timesteps_below}" if tune.timesteps_below else ""
        numbers = f"{tune.iterations:,} × {tune.batch}, {tune.method}, lr {tune.learning_rate:g}{drawn}"
        lines.insert(0, ("fine-tune", f"{numbers}: {cost.finetune:,} forwards"))
    if recipe.album is not None:
        album = recipe.album
        guided = f"λ = {album.guidance_scale:g} every {album.guidance_every} ({album.guidance_norm})"
        numbers = f"{album.images} images, K = {album.start_steps}, {_sampler(album)}, guided {guided}"
        lines.insert(0, ("album", f"{numbers}: {cost.album:,} forwards"))
    return [*lines, ("source", preset.source)]


def _sampler(recipe: AlbumRecipe | RestoreRecipe) -> str:
    return recipe.sampler if recipe.sampler == "ancestral" else f"{recipe.sampler} in {recipe.sampler_steps} steps"

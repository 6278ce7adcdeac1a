"""Whether a recipe's numbers fit a prior: a schedule of T steps serves no more."""

from core.domain.errors import InvalidRecipeError
from core.priors.spec import PriorSpec
from core.recipes.schema import Recipe


def check_recipe(recipe: Recipe, spec: PriorSpec) -> None:
    """Refuse numbers that this prior's schedule cannot serve.

    Raises:
        InvalidRecipeError: with the allowed range.
    """
    total = spec.noise_steps
    given = {"restore.noise_steps": recipe.restore.noise_steps}
    if recipe.album is not None:
        given["album.start_steps"] = recipe.album.start_steps
        if recipe.album.start_from == "noise" and recipe.album.start_steps != total:
            raise InvalidRecipeError(
                f"album.start_from is 'noise', which needs album.start_steps {total}, not {recipe.album.start_steps}.",
                "Start from the photo, or from all of the schedule.",
            )
    if recipe.finetune is not None and recipe.finetune.timesteps_below is not None:
        given["finetune.timesteps_below"] = recipe.finetune.timesteps_below
    for name, value in given.items():
        if value > total:
            raise InvalidRecipeError(
                f"{name} is {value}, allowed is at most {total}.", f"The prior {spec.name!r} has {total} noise steps."
            )

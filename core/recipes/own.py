"""An operator's own recipes, from a file: offered beside the presets, under their own names."""

import json
from pathlib import Path

from core.domain.errors import InvalidRecipeError
from core.recipes.presets import PRESETS, Preset
from core.recipes.schema import build_recipe

_NAME = "The recipes file"
"""Not its path: whoever set it knows it, and a caller of the API has no business with it."""
_ADVICE = "HEIRLOOM_RECIPES_FILE names it: a JSON list of recipes, each as `heirloom recipes --json` shows them."

_ABOUT = ("forwards", "source")
"""What `heirloom recipes --json` says of a recipe beside its numbers: a copy of it is a recipe all the same."""


def read_own_recipes(path: Path) -> dict[str, Preset]:
    """The recipes of a JSON file: a list of objects with name, mode, restore, and album and finetune as the mode has.

    A recipe may say what it `buys`; where a part leaves numbers out, they are the paper's.

    Raises:
        InvalidRecipeError: no such file, no such list, a number out of range, or a name that is taken.
    """
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidRecipeError(f"{_NAME} cannot be read: {error.strerror}.", _ADVICE) from error
    except (ValueError, RecursionError) as error:
        raise InvalidRecipeError(f"{_NAME} cannot be read: {error}.", _ADVICE) from error
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise InvalidRecipeError(f"{_NAME} holds no list of recipes.", _ADVICE)
    own: dict[str, Preset] = {}
    for entry in entries:
        buys = str(entry.pop("buys", "One of the operator's own recipes."))
        recipe = build_recipe({name: value for name, value in entry.items() if name not in _ABOUT})
        if recipe.name in PRESETS or recipe.name in own:
            raise InvalidRecipeError(f"The recipe name {recipe.name!r} is taken.", "Give each recipe its own name.")
        own[recipe.name] = Preset(recipe, buys, "the operator")
    return own

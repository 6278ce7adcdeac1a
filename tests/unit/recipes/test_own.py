import json

import pytest

from cli.recipes import _as_json
from core.domain.errors import InvalidRecipeError
from core.domain.mode import Mode
from core.recipes.own import read_own_recipes
from core.recipes.presets import PRESETS, preset

TINY = {"name": "tiny", "mode": "direct", "restore": {"noise_steps": 12}}


@pytest.fixture
def written(tmp_path):
    def write(value):
        path = tmp_path / "recipes.json"
        path.write_text(value if isinstance(value, str) else json.dumps(value))
        return path

    return write


def test_an_operator_s_recipe_is_found_beside_the_presets(written):
    own = read_own_recipes(written([{**TINY, "buys": "A quick look."}]))
    assert preset("tiny", own).recipe.restore.noise_steps == 12
    assert preset("tiny", own).buys == "A quick look."
    assert preset("direct", own).recipe.mode is Mode.DIRECT


def test_a_copy_of_what_the_command_shows_is_a_recipe(written):
    shown = _as_json(PRESETS["quick-personal"])
    own = read_own_recipes(written([{**shown, "name": "my-personal"}]))
    assert own["my-personal"].recipe.finetune == PRESETS["quick-personal"].recipe.finetune


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read"),
        ({"name": "tiny"}, "holds no list"),
        ([{**TINY, "name": "direct"}], "'direct' is taken"),
        ([TINY, TINY], "'tiny' is taken"),
        ([{**TINY, "restore": {"noise_steps": 0}}], "restore.noise_steps is 0, allowed is at least 1"),
    ],
)
def test_a_wrong_file_is_refused_with_what_is_wrong(written, content, message):
    with pytest.raises(InvalidRecipeError, match=message):
        read_own_recipes(written(content))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InvalidRecipeError, match="cannot be read: No such file") as refused:
        read_own_recipes(tmp_path / "absent.json")
    assert "absent" not in str(refused.value), "callers of the API have no business with the server's paths"

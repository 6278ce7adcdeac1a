import json
from dataclasses import replace

import pytest

from core.domain.errors import InvalidRecipeError, PriorUncalibratedError, SettingsError
from core.domain.mode import Mode
from core.priors.locate import STARTER_FOLDER
from core.priors.spec import LinearScheduleSpec, read_spec
from core.recipes.presets import PRESETS, Preset
from core.services.offer import Dials, Offer, open_offer

STARTER = Offer(read_spec(STARTER_FOLDER))
SHORT = Offer(STARTER.prior.model_copy(update={"schedule": LinearScheduleSpec(steps=150), "name": "short"}))


def own(name, mode="direct"):
    recipe = PRESETS["quick-direct"].recipe.model_copy(update={"name": name})
    return Offer(STARTER.prior, {name: Preset(recipe, "ours", "us")}, default_name=name)


@pytest.mark.parametrize("mode", Mode)
def test_where_nothing_is_named_the_default_of_the_mode_is_taken(mode):
    assert STARTER.recipe(mode, Dials()).name == f"quick-{mode}"
    large = Offer(STARTER.prior.model_copy(update={"resolution": 256}))
    assert large.recipe(mode, Dials()).name == ("direct" if mode is Mode.DIRECT else f"paper-{mode}")


def test_an_operator_s_default_is_taken_for_its_own_mode_alone():
    offer = own("house")
    assert offer.recipe(Mode.DIRECT, Dials()).name == "house"
    assert offer.recipe(Mode.PERSONAL, Dials()).name == "quick-personal"
    assert "house" in offer.presets()
    assert offer.recipe(Mode.DIRECT, Dials("quick-direct")).name == "quick-direct"


def test_k_replaces_the_recipe_s_and_nothing_else():
    recipe = STARTER.recipe(Mode.PERSONAL, Dials(noise_steps=300))
    usual = PRESETS["quick-personal"].recipe
    assert recipe.restore.noise_steps == 300
    assert recipe.finetune == usual.finetune
    assert recipe.restore.sampler == usual.restore.sampler


@pytest.mark.parametrize(
    ("offer", "dials", "pointer"),
    [
        (STARTER, Dials(noise_steps=0), "/noise_steps"),
        (STARTER, Dials(noise_steps=1001), "/noise_steps"),
        (SHORT, Dials(noise_steps=151), "/noise_steps"),
        (SHORT, Dials(fidelity=0.0), "/fidelity"),
        (STARTER, Dials(recipe="quik-direct"), "/recipe"),
        (STARTER, Dials(recipe="quick-personal"), "/recipe"),
        (replace(SHORT, prior=SHORT.prior), Dials(recipe="direct"), "/recipe"),
    ],
)
def test_what_does_not_fit_is_refused_and_pointed_at(offer, dials, pointer):
    with pytest.raises(InvalidRecipeError) as refused:
        offer.recipe(Mode.DIRECT, dials)
    assert refused.value.pointer == pointer
    assert refused.value.advice


def test_a_range_is_told_with_the_prior_that_has_it():
    with pytest.raises(InvalidRecipeError, match=r"151, allowed is at least 1 and at most 150.*'short'"):
        SHORT.recipe(Mode.DIRECT, Dials(noise_steps=151))


def test_an_operator_s_recipes_and_default_are_opened_together(tmp_path):
    file = tmp_path / "recipes.json"
    file.write_text(json.dumps([{"name": "house", "mode": "direct", "restore": {"noise_steps": 60}}]))
    offer = open_offer(STARTER.prior, file, "house")
    assert offer.recipe(Mode.DIRECT, Dials()).restore.noise_steps == 60


@pytest.mark.parametrize("content", [None, "[", '[{"name": "x"}]'])
def test_a_wrong_recipes_file_is_the_operator_s_fault_and_tells_no_path(tmp_path, content):
    file = tmp_path / "recipes.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SettingsError, match="HEIRLOOM_RECIPES_FILE: ") as refused:
        open_offer(STARTER.prior, file, "")
    assert str(tmp_path) not in str(refused.value)


@pytest.mark.parametrize(("prior", "name"), [(STARTER.prior, "nonsense"), (SHORT.prior, "paper-personal")])
def test_a_default_that_is_not_there_or_does_not_fit_the_prior_is_the_operator_s_fault(prior, name):
    with pytest.raises(SettingsError, match="HEIRLOOM_DEFAULT_RECIPE: "):
        open_offer(prior, None, name)


CALIBRATED = open_offer(STARTER.prior, None, "", calibrated=True)


def test_k_by_the_photo_is_refused_where_it_is_asked_for_and_the_prior_is_not_calibrated():
    asked = Dials(by_photo=True)
    assert CALIBRATED.recipe(Mode.DIRECT, asked).restore.by_photo
    with pytest.raises(PriorUncalibratedError, match="heirloom models calibrate") as refused:
        STARTER.recipe(Mode.DIRECT, asked)
    assert refused.value.pointer == "/fidelity"


@pytest.mark.parametrize(
    ("offer", "dials", "by_photo", "steps"),
    [
        (CALIBRATED, Dials(), True, 106),
        (STARTER, Dials(), False, 106),
        (CALIBRATED, Dials(noise_steps=106), False, 106),
        (CALIBRATED, Dials(fidelity=1.0), False, 50),
        (CALIBRATED, Dials("quick-direct", by_photo=True), True, 106),
        (CALIBRATED, Dials("direct"), False, 200),
        (CALIBRATED, Dials("direct", by_photo=True), True, 200),
    ],
)
def test_each_face_has_its_own_k_by_a_quick_recipe_with_a_calibrated_prior_unless_a_k_is_named(
    offer, dials, by_photo, steps
):
    restore = offer.recipe(Mode.DIRECT, dials).restore
    assert (restore.by_photo, restore.noise_steps) == (by_photo, steps)

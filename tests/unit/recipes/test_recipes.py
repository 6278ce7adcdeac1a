import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.diffusion.schedule import linear_schedule
from core.domain.errors import InvalidRecipeError
from core.domain.mode import Mode
from core.recipes.cost import cost_of
from core.recipes.presets import PRESETS, QUICK_NOISE_STEPS, default_preset, preset
from core.recipes.schema import (
    AlbumRecipe,
    FinetuneRecipe,
    RestoreRecipe,
    as_wanted,
    build_recipe,
    noise_steps_for,
    override,
)


def test_the_paper_s_numbers_are_the_paper_s():
    generative, personal = preset("paper-generative").recipe, preset("paper-personal").recipe
    assert (generative.album.images, generative.album.guidance_every, generative.album.guidance_scale) == (16, 10, 0.3)
    assert (generative.finetune.iterations, generative.finetune.batch) == (3_000, 4)
    assert (personal.finetune.iterations, personal.finetune.learning_rate) == (5_000, 1e-5)
    assert generative.restore.noise_steps == personal.restore.noise_steps == 200
    assert generative.restore.sampler == "ancestral"


def test_the_paper_s_costs_are_those_of_the_design():
    # method.md, section 5: 3,200 + 640 forwards for the album, 36,000 and 60,000 for tuning, 200 to restore; and, to
    # score a personal tuning, eight photos are restored five times in eight steps.
    generative, personal = cost_of(preset("paper-generative").recipe), cost_of(preset("paper-personal").recipe)
    assert (generative.album, generative.finetune, generative.restore) == (3_840, 36_000, 200)
    assert (personal.album, personal.finetune) == (0, 60_000 + 320)
    assert generative.total == 40_040


def test_a_recipe_is_frozen_hashable_and_its_digest_follows_its_numbers():
    recipe = preset("quick-personal").recipe
    same = build_recipe(recipe.model_dump(mode="json"))
    assert recipe == same
    assert hash(recipe) == hash(same)
    assert recipe.digest() == same.digest()
    assert override(recipe, {"restore.noise_steps": 150}).digest() != recipe.digest()
    with pytest.raises(ValueError, match="frozen"):
        recipe.name = "other"


RANGES = [
    ("restore.noise_steps", (0, 10_001, -3, 1.5)),
    ("restore.batch", (0, 65)),
    ("restore.sampler_steps", (0, 1_001)),
    ("finetune.iterations", (0, 100_001)),
    ("finetune.learning_rate", (0, 0.02, -1e-5, float("nan"), float("inf"))),
    ("finetune.rank", (0, 257)),
    ("finetune.timesteps_below", (0, 10_001)),
    ("album.images", (0, 257, "many")),
    ("album.guidance_scale", (-0.1, 101)),
    ("album.guidance_every", (0,)),
    ("album.dense_guidance_steps", (-1,)),
]


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in RANGES for value in values])
def test_a_number_out_of_range_is_refused_with_the_range(name, value):
    with pytest.raises(InvalidRecipeError) as caught:
        override(preset("quick-generative").recipe, {name: value})
    assert name in caught.value.message
    assert "allowed is at least" in caught.value.message or "allowed is more than" in caught.value.message


@pytest.mark.parametrize("changes", [{"restore.colour": 1}, {"nothing.here": 1}, {"restore": 1}])
def test_an_unknown_number_is_refused(changes):
    with pytest.raises(InvalidRecipeError):
        override(preset("quick-generative").recipe, changes)


def test_a_part_of_another_mode_is_refused():
    with pytest.raises(InvalidRecipeError, match="mode is direct"):
        override(preset("direct").recipe, {"finetune.iterations": 5})
    with pytest.raises(InvalidRecipeError, match="belongs to the generative mode"):
        build_recipe({"name": "x", "mode": "direct", "album": {}})
    with pytest.raises(InvalidRecipeError, match="belongs to the personal and generative modes"):
        build_recipe({"name": "x", "mode": "personal"})


def test_none_changes_nothing():
    recipe = preset("direct").recipe
    assert override(recipe, {"restore.noise_steps": None}) == recipe


def test_an_unknown_preset_names_the_nearest():
    with pytest.raises(InvalidRecipeError, match="Did you mean 'quick-personal'"):
        preset("quick-persnal")


@pytest.mark.parametrize(("resolution", "kind"), [(64, "quick"), (128, "quick"), (256, "paper"), (512, "paper")])
def test_the_default_follows_the_prior_s_size(resolution, kind):
    assert default_preset(Mode.PERSONAL, resolution).recipe.name == f"{kind}-personal"
    assert default_preset(Mode.DIRECT, resolution).recipe.name == ("quick-direct" if kind == "quick" else "direct")


def test_the_quick_k_hides_at_128_pixels_what_the_paper_s_hides_at_256():
    alphas = linear_schedule().alphas_cumprod
    ratio = ((1.0 - alphas) / alphas).sqrt()
    halved = (ratio - ratio[199] / 2).abs().argmin()
    assert int(halved) + 1 == QUICK_NOISE_STEPS


def test_every_preset_says_what_it_buys_and_where_it_comes_from():
    assert all(entry.buys and entry.source for entry in PRESETS.values())


@given(st.floats(0, 1))
def test_more_fidelity_means_fewer_noise_steps(fidelity):
    assert 50 <= noise_steps_for(fidelity) <= 400
    assert noise_steps_for(fidelity) >= noise_steps_for(min(1.0, fidelity + 0.1))


@pytest.mark.parametrize("fidelity", [-0.1, 1.1, float("nan")])
def test_fidelity_stays_between_its_ends(fidelity):
    with pytest.raises(InvalidRecipeError, match="0 … 1"):
        noise_steps_for(fidelity)


@given(images=st.integers(1, 256), steps=st.integers(1, 1_000), every=st.integers(1, 50))
def test_costs_count_every_guided_step(images, steps, every):
    numbers = {"images": images, "start_steps": steps, "guidance_every": every}
    recipe = build_recipe({"name": "x", "mode": "generative", "album": numbers, "finetune": {}})
    guided = sum((t + 1) % every == 0 for t in range(steps))
    assert cost_of(recipe).album == images * (steps + 2 * guided)


def test_defaults_are_the_paper_s():
    assert AlbumRecipe() == preset("paper-generative").recipe.album
    assert FinetuneRecipe() == preset("paper-generative").recipe.finetune
    assert RestoreRecipe() == preset("paper-generative").recipe.restore


@pytest.mark.parametrize(
    ("name", "steps", "asked", "calibrated", "own"),
    [
        ("quick-direct", None, False, True, True),
        ("quick-direct", None, False, False, False),
        ("quick-direct", 106, False, True, False),
        ("quick-direct", 106, True, True, True),
        ("direct", None, False, True, False),
        ("direct", None, True, True, True),
    ],
)
def test_each_face_has_its_own_k_where_that_is_asked_or_the_recipe_s_wish_with_a_calibrated_prior(
    name, steps, asked, calibrated, own
):
    wanted = as_wanted(PRESETS[name].recipe, steps, by_photo=asked, calibrated=calibrated).restore
    assert (wanted.by_photo, wanted.noise_steps) == (own, steps or PRESETS[name].recipe.restore.noise_steps)

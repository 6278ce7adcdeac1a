import pytest

from core.domain.errors import InvalidRecipeError
from core.priors.training.recipe import TrainingRecipe, allowed_range, build_training_recipe

OUT_OF_RANGE = [
    ("steps", 0, "at least 1 and at most 10000000"),
    ("steps", 10_000_001, "at least 1 and at most 10000000"),
    ("batch", 0, "at least 1 and at most 4096"),
    ("batch", 4_097, "at least 1 and at most 4096"),
    ("learning_rate", 0.0, "more than 0 and at most 0.01"),
    ("learning_rate", 0.011, "more than 0 and at most 0.01"),
    ("learning_rate", float("nan"), "more than 0 and at most 0.01"),
    ("learning_rate", float("inf"), "more than 0 and at most 0.01"),
    ("warmup_steps", -1, "at least 0 and at most 100000"),
    ("decay_fraction", 1.1, "at least 0 and at most 1"),
    ("ema_decay", 1.0, "at least 0 and less than 1"),
    ("ema_decay", -0.1, "at least 0 and less than 1"),
    ("min_snr", 0.0, "more than 0 and at most 1000"),
    ("low_fraction", -0.1, "at least 0 and at most 1"),
    ("low_below", 0, "at least 1 and at most 10000"),
    ("flips", "perhaps", "true or false"),
    ("precision", "fp16", "fp32 or bf16"),
    ("held_out", -1, "at least 0 and at most 100000"),
    ("seed", -1, "at least 0 and at most 4611686018427387904"),
]


@pytest.mark.parametrize(("name", "value", "words"), OUT_OF_RANGE)
def test_a_number_out_of_range_is_refused_with_the_range(name, value, words):
    with pytest.raises(InvalidRecipeError) as caught:
        build_training_recipe(**{name: value})
    assert words in allowed_range(name)
    assert caught.value.message == f"{name} is {value!r}, allowed is {allowed_range(name)}."
    assert caught.value.advice == "`heirloom models train --help` explains every number."


def test_every_number_has_a_range_that_is_tested_here():
    assert {name for name, _, _ in OUT_OF_RANGE} == set(TrainingRecipe.model_fields)


@pytest.mark.parametrize(
    ("name", "value"),
    [("steps", 1), ("batch", 4096), ("learning_rate", 0.01), ("ema_decay", 0.0), ("held_out", 0), ("min_snr", None)],
)
def test_the_ends_of_a_range_are_allowed(name, value):
    assert getattr(build_training_recipe(**{name: value}), name) == value


def test_all_wrong_numbers_are_named_at_once():
    with pytest.raises(InvalidRecipeError) as caught:
        build_training_recipe(steps=0, batch=0, stps=4)
    assert caught.value.message == (
        "steps is 0, allowed is at least 1 and at most 10000000. batch is 0, allowed is at least 1 and at most 4096. "
        "A training recipe has no 'stps'."
    )


def test_equal_numbers_have_equal_digests_and_each_number_changes_it():
    usual = build_training_recipe()
    assert build_training_recipe(steps=4_000).digest() == usual.digest()
    changes = {
        "steps": 1,
        "batch": 1,
        "learning_rate": 0.001,
        "warmup_steps": 1,
        "decay_fraction": 0.5,
        "ema_decay": 0.5,
        "min_snr": None,
        "low_fraction": 0.1,
        "low_below": 1,
        "flips": False,
        "precision": "bf16",
        "held_out": 1,
        "seed": 1,
    }
    assert changes.keys() == TrainingRecipe.model_fields.keys()
    digests = {build_training_recipe(**{name: value}).digest() for name, value in changes.items()}
    assert len(digests | {usual.digest()}) == len(changes) + 1


def test_the_rate_warms_up_stays_and_falls_to_nothing():
    recipe = build_training_recipe(steps=100, learning_rate=0.01, warmup_steps=10, decay_fraction=0.4)
    rates = [recipe.learning_rate_at(step) for step in range(100)]
    assert rates[:10] == pytest.approx([0.001 * (i + 1) for i in range(10)])
    assert rates[10:61] == pytest.approx([0.01] * 51)
    assert rates[60:] == pytest.approx([0.01 * (40 - i) / 40 for i in range(40)])


def test_without_warm_up_and_decay_the_rate_is_constant():
    recipe = build_training_recipe(steps=3, learning_rate=0.01, warmup_steps=0, decay_fraction=0)
    assert [recipe.learning_rate_at(step) for step in range(3)] == [0.01] * 3


def test_the_average_remembers_little_at_first():
    recipe = build_training_recipe(ema_decay=0.9)
    decays = [recipe.ema_decay_at(step) for step in range(200)]
    assert decays[0] == 0.1
    assert decays == sorted(decays)
    assert decays[-1] == 0.9

import numpy as np
import pytest
import torch
from safetensors.numpy import load

from core.domain.errors import CancelledError
from core.imaging.resize import resize
from core.pipeline.artifacts import unpack
from core.pipeline.checkpoint import apply_checkpoint, read_info
from core.pipeline.finetune import finetune
from core.pipeline.scoring import ScoredStep, Scorer, scored_steps
from core.pipeline.tuning_state import Tuning
from core.recipes.schema import FinetuneRecipe
from tests.fakes import TINY_NETWORK, tiny_prior

RECIPES = {
    "full": FinetuneRecipe(iterations=8, batch=2, learning_rate=1e-3, scorings=4),
    "low rank": FinetuneRecipe(iterations=8, batch=2, learning_rate=1e-3, method="low_rank", rank=4, scorings=4),
}


@pytest.fixture(scope="module")
def pictures(crops):
    return [resize(crop, 16) for crop in crops]


@pytest.fixture(scope="module")
def scorer(pictures):
    """Of nobody's album: PSNR alone counts, and nothing waits for dlib."""
    return Scorer(pictures[4:], noise_steps=12, sampler_steps=3, batch=2, person=False)


class Curve:
    """A scorer that says what it is told."""

    def __init__(self, ranks):
        self.ranks = ranks

    def __call__(self, _prior, step, _on_call):
        return ScoredStep(step, None, self.ranks[step])


def dropping_prior():
    return tiny_prior(network=TINY_NETWORK | {"dropout": 0.2})


def tune(pictures, recipe, scorer, *, stop_at_call=None, state=None, kept=None):
    calls = 0

    def on_step(_):
        nonlocal calls
        calls += 1
        if calls == stop_at_call:
            raise CancelledError("Stopped.")

    return finetune(
        dropping_prior(),
        pictures[:4],
        recipe,
        0,
        "0" * 64,
        on_step=on_step,
        load_state=lambda: state,
        save_state=lambda data: None if kept is None else kept.append(data),
        scorer=scorer,
    )


def test_steps_are_scored_evenly_up_to_the_last_and_once_before():
    assert scored_steps(250, 4) == (0, 62, 125, 188, 250)
    assert scored_steps(2, 4) == (0, 1, 2)
    assert scored_steps(250, 0) == ()


@pytest.mark.parametrize("name", RECIPES)
def test_the_best_step_s_weights_are_kept_as_a_tuning_that_ends_there_has_them(pictures, name):
    recipe = RECIPES[name]
    data = tune(pictures, recipe, Curve({0: 30.0, 2: 1.0, 4: 5.0, 6: 5.0, 8: 2.0}))
    info = read_info(data)
    assert (info.step, info.scores["best_step"], info.scores["psnr"]) == (4, 4, 5.0)
    assert [scored["step"] for scored in info.scores["curve"]] == [0, 2, 4, 6, 8]
    kept = []
    with pytest.raises(CancelledError):
        tune(pictures, recipe, None, stop_at_call=5, kept=kept)  # told 0, 1, 2, 3 and 4
    stopped_there = unpack(kept[0])[0]
    weights = load(data)
    tuned = [name for name in weights if f"weight/{name}" in stopped_there]
    assert tuned
    for name in tuned:
        assert np.array_equal(weights[name], stopped_there[f"weight/{name}"].astype(np.float16))


def test_scoring_changes_nothing_of_the_tuning(pictures, scorer):
    recipe = RECIPES["full"]
    last_is_best = Curve({0: 0.0, 2: 1.0, 4: 2.0, 6: 3.0, 8: 4.0})

    class Both:
        def __call__(self, prior, step, on_call):
            scorer(prior, step, on_call)
            assert not prior.network.training
            return last_is_best(prior, step, on_call)

    x, t = torch.zeros(1, 3, 16, 16), torch.tensor([5])
    scored, unscored = (apply_checkpoint(dropping_prior(), tune(pictures, recipe, one)) for one in (Both(), None))
    assert torch.equal(scored.predict(x, t), unscored.predict(x, t))


@pytest.mark.parametrize("name", RECIPES)
def test_a_scored_tuning_that_is_stopped_anywhere_ends_bit_for_bit_the_same(pictures, scorer, name):
    whole = tune(pictures, RECIPES[name], scorer)
    # Each scoring tells four times, once before the chain and once a network call: 3 is within the first one, 12 within
    # the one after four iterations.
    for stop in (3, 9, 12, 15, 24):
        kept = []
        with pytest.raises(CancelledError):
            tune(pictures, RECIPES[name], scorer, stop_at_call=stop, kept=kept)
        assert tune(pictures, RECIPES[name], scorer, state=kept[-1] if kept else None) == whole


def test_a_scoring_is_always_the_same_and_leaves_the_global_generator_alone(pictures, scorer):
    prior = tiny_prior()
    before = torch.random.get_rng_state()
    first, again = (scorer(prior, 3, lambda: None) for _ in range(2))
    assert first == again
    assert torch.equal(torch.random.get_rng_state(), before)
    assert first.identity is None
    assert 5.0 < first.psnr < 99.0


def test_a_person_s_photos_are_compared_with_every_clean_one(pictures):
    scored = Scorer(pictures[4:], noise_steps=5, sampler_steps=1, batch=1)(tiny_prior(), 0, lambda: None)
    assert scored.identity is not None
    assert -1.0 < scored.identity < 1.0


def test_identity_comes_first_and_a_decibel_counts_as_two_hundredths_of_it():
    likest, sharpest = ScoredStep(1, 0.50, 20.0), ScoredStep(2, 0.45, 21.0)
    assert likest.rank > sharpest.rank
    assert ScoredStep(3, 0.49, 21.0).rank > likest.rank


def test_of_equal_steps_the_earlier_is_kept_and_what_was_before_tuning_is_not():
    tuning = Tuning()
    for step, identity in ((0, 0.9), (10, 0.5), (20, 0.5)):
        tuning.take(ScoredStep(step, identity, 20.0), {"weight": torch.full((1,), float(step))})
    assert tuning.best_step().step == 10
    assert tuning.best["weight"].item() == 10.0
    assert tuning.best["weight"].dtype == torch.float16


def test_held_out_photos_are_degraded_each_in_its_own_way_whatever_their_order(pictures):
    one, two = (Scorer(photos, 5, 1, 2, person=False)._bad for photos in (pictures[:2], pictures[1::-1]))
    assert all(np.array_equal(*pair) for pair in zip(one, two[::-1], strict=True))
    assert all(not np.array_equal(bad, clean) for bad, clean in zip(one, pictures, strict=False))

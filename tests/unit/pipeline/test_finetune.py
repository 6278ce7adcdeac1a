from collections import Counter

import numpy as np
import pytest
import torch
from safetensors.torch import load

from core.domain.errors import CancelledError, CheckpointError
from core.imaging.resize import resize
from core.pipeline.checkpoint import apply_checkpoint
from core.pipeline.finetune import anchor_indices, finetune
from core.priors.adapters import tunable_copy, tuned_parameters
from core.priors.training.evaluation import denoising_psnr
from core.recipes.schema import FinetuneRecipe
from tests.fakes import TINY_NETWORK, CrampedPrior, tiny_prior


@pytest.fixture
def anchors(crops):
    return [resize(crop, 16) for crop in crops]


def tune(prior, anchors, recipe, *, seed=0, stop_at=None, state=None, kept=None):
    kept = {} if kept is None else kept
    kept["state"] = state

    def on_step(done):
        if stop_at is not None and done == stop_at:
            raise CancelledError("Stopped.")

    data = finetune(
        prior,
        anchors,
        recipe,
        seed,
        "0" * 64,
        on_step=on_step,
        load_state=lambda: kept["state"],
        save_state=lambda data: kept.__setitem__("state", data),
    )
    return data, kept["state"]


RECIPES = {
    "full": FinetuneRecipe(iterations=8, batch=2, learning_rate=1e-3),
    "low rank": FinetuneRecipe(iterations=8, batch=2, learning_rate=1e-3, method="low_rank", rank=4),
    "flips": FinetuneRecipe(iterations=8, batch=2, learning_rate=1e-3, flips=True, timesteps_below=20),
}


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_a_resumed_tuning_equals_the_uninterrupted_one_bit_for_bit(anchors, name, dropout):
    def prior():
        return tiny_prior(network=TINY_NETWORK | {"dropout": dropout})

    whole, _ = tune(prior(), anchors, RECIPES[name])
    kept = {}
    with pytest.raises(CancelledError):
        tune(prior(), anchors, RECIPES[name], stop_at=5, kept=kept)
    assert kept["state"] is not None
    resumed, _ = tune(prior(), anchors, RECIPES[name], state=kept["state"])
    assert resumed == whole


def test_the_seed_decides_everything(anchors):
    recipe = RECIPES["full"]
    one, again, other = (tune(tiny_prior(), anchors, recipe, seed=seed)[0] for seed in (1, 1, 2))
    assert one == again
    assert one != other


def test_tuning_teaches_the_anchors(anchors):
    prior = tiny_prior()
    recipe = FinetuneRecipe(iterations=150, batch=4, learning_rate=3e-3)
    data, _ = tune(prior, anchors, recipe)
    tuned = apply_checkpoint(prior, data)
    pictures = np.stack(anchors)
    assert denoising_psnr(tuned, pictures, (20,))[20] > denoising_psnr(prior, pictures, (20,))[20] + 1.5


def test_a_tuning_whose_loss_is_no_number_gives_no_checkpoint_and_says_what_to_lower(anchors):
    recipe = FinetuneRecipe(iterations=4, batch=2, learning_rate=1e-3)
    prior = tiny_prior()
    with torch.no_grad():
        next(prior.network.parameters()).fill_(float("inf"))
    with pytest.raises(CheckpointError) as caught:
        tune(prior, anchors, recipe)
    assert caught.value.message == "The tuning diverged: its loss is not a finite number."
    assert caught.value.advice == "Choose a lower learning rate."


@pytest.mark.parametrize("method", ["full", "low_rank"])
def test_tuned_weights_too_large_for_half_precision_give_no_checkpoint(anchors, method):
    # One step: its loss is of the untuned weights, and AdamW's first step is as long as the learning rate.
    recipe = FinetuneRecipe.model_construct(iterations=1, batch=2, learning_rate=1e5, method=method, rank=4)
    with pytest.raises(CheckpointError) as caught:
        tune(tiny_prior(), anchors, recipe)
    assert caught.value.message == "The tuning diverged: its weights do not fit into half precision."


def test_a_low_rank_checkpoint_holds_the_adapters_alone(anchors):
    full, _ = tune(tiny_prior(), anchors, RECIPES["full"])
    low, _ = tune(tiny_prior(), anchors, RECIPES["low rank"])
    names = load(low).keys()
    assert all(".lora_A." in name or ".lora_B." in name for name in names)
    assert len(low) < len(full)


def test_an_untrained_adapter_changes_nothing():
    prior = tiny_prior()
    adapted = tunable_copy(prior, "low_rank", 4)
    x, t = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0)), torch.tensor([3, 30])
    with torch.no_grad():
        assert torch.equal(adapted.predict(x, t), prior.predict(x, t))


def test_a_low_rank_copy_shares_the_frozen_weights_and_trains_none_of_them():
    prior = tiny_prior()
    adapted = tunable_copy(prior, "low_rank", 4)
    originals = {parameter.data_ptr() for parameter in prior.network.parameters()}
    adapters = tuned_parameters(adapted, "low_rank")
    shared = [p for name, p in adapted.network.named_parameters() if name not in adapters]
    assert {parameter.data_ptr() for parameter in shared} == originals
    assert not any(parameter.requires_grad for parameter in shared)
    assert all(parameter.requires_grad for parameter in adapters.values())


def test_every_anchor_is_seen_equally_often():
    seen = Counter()
    for iteration in range(15):
        seen.update(anchor_indices(5, 4, seed=0, iteration=iteration).tolist())
    assert set(seen.values()) == {12}


def test_fewer_anchors_than_a_batch_are_repeated():
    assert sorted(anchor_indices(2, 4, 0, 0).tolist()) == [0, 0, 1, 1]


def test_where_memory_is_too_small_for_a_batch_its_gradients_are_added_up_from_parts(anchors, monkeypatch):
    prior, recipe = tiny_prior(), FinetuneRecipe(iterations=3, batch=5, learning_rate=1e-3)
    whole = load(tune(prior, anchors, recipe)[0])
    cramped = []

    def copied(*arguments):
        cramped.append(CrampedPrior(tunable_copy(*arguments), 2))
        cramped[0].network.requires_grad_(True)
        return cramped[0]

    monkeypatch.setattr("core.pipeline.finetune.tunable_copy", copied)
    parts = load(tune(prior, anchors, recipe)[0])
    assert cramped[0].batches == [5, 3, 2, 2, 1, 2, 2, 1, 2, 2, 1]
    for name, tensor in whole.items():
        assert torch.allclose(tensor.float(), parts[name].float(), atol=2e-4), name


def test_where_not_even_one_sample_fits_the_tuning_says_so(anchors, monkeypatch):
    monkeypatch.setattr("core.pipeline.finetune.tunable_copy", lambda *given: CrampedPrior(tunable_copy(*given), 0))
    with pytest.raises(RuntimeError, match="memory"):
        tune(tiny_prior(), anchors, FinetuneRecipe(iterations=1, batch=4))


def test_another_failure_is_not_tried_again_in_parts(anchors, monkeypatch):
    made = []

    def broken(*given):
        made.append(CrampedPrior(tunable_copy(*given), 0, lambda: torch.zeros(2, 3) @ torch.zeros(2, 3)))
        return made[0]

    monkeypatch.setattr("core.pipeline.finetune.tunable_copy", broken)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        tune(tiny_prior(), anchors, FinetuneRecipe(iterations=1, batch=4))
    assert made[0].batches == [4]

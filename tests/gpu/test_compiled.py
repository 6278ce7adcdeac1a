"""Compiling changes the time a tuning takes, and nothing else; where it fails, the tuning goes on without."""

import numpy as np
import pytest
import torch

from core.pipeline.artifacts import unpack
from core.priors import compiled
from core.recipes.presets import preset
from core.recipes.schema import FinetuneRecipe
from tests.fakes import tiny_prior

RECIPE = FinetuneRecipe(iterations=3, batch=2, learning_rate=1e-3)


@pytest.fixture
def make_prior():
    """One network, without dropout: inductor draws other numbers for it, and tracing takes seconds on a CPU."""
    return lambda device: tiny_prior().to(device)


@pytest.mark.parametrize("method", ["full", "low_rank"])
def test_a_compiled_tuning_has_the_plain_one_s_names_and_gradients(device, make_prior, tune, method, monkeypatch):
    if device.type == "cpu":
        monkeypatch.setattr(compiled, "BACKEND", "aot_eager")  # the same graphs, without half a minute of C++
    recipe = RECIPE.model_copy(update={"method": method, "rank": 4})
    state_before = torch.get_rng_state()
    (plain, _), (fast, _) = (
        unpack(tune(make_prior(device), recipe, stop_at=1, compiled=choice)[1]) for choice in (False, True)
    )
    assert plain.keys() == fast.keys()
    moments = [name for name in plain if name.startswith("first/")]
    largest = max(np.abs(plain[name]).max() for name in moments)
    for name in moments:
        assert np.abs(plain[name] - fast[name]).max() <= 1e-4 * largest, name
    assert torch.equal(torch.get_rng_state(), state_before)


def test_a_resumed_compiled_tuning_equals_the_uninterrupted_one(cuda, tune):
    def prior():
        return tiny_prior(seed=1).to(cuda, torch.bfloat16)

    whole, _ = tune(prior(), RECIPE, compiled=True)
    _, state = tune(prior(), RECIPE, compiled=True, stop_at=2)
    resumed, _ = tune(prior(), RECIPE, compiled=True, state=state)
    assert resumed == whole


def test_a_failing_compiler_costs_a_message_and_nothing_else(device, make_prior, tune, monkeypatch, caplog):
    def broken(graph, inputs):
        raise RuntimeError("no compiler here\nand much more")

    plain, _ = tune(make_prior(device), RECIPE)
    monkeypatch.setattr(compiled, "BACKEND", broken)
    assert tune(make_prior(device), RECIPE, compiled=True)[0] == plain
    (message,) = [record.getMessage() for record in caplog.records if record.name == compiled.__name__]
    assert "could not be compiled and computes as it is" in message
    assert "no compiler here" in message
    assert "and much more" not in message


def test_a_full_device_is_not_mistaken_for_a_failing_compiler(device, make_prior, monkeypatch):
    prior = make_prior(device)

    def full(x_t, t):
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(prior, "predict", full)
    with pytest.raises(torch.OutOfMemoryError):
        compiled.compile_for_tuning(prior, 2)


def test_only_long_tunings_on_cuda_are_compiled():
    def forwards(name):
        recipe = preset(name).recipe.finetune
        return 3 * recipe.iterations * recipe.batch

    cuda = torch.device("cuda")
    assert compiled.compiling_pays(cuda, forwards("paper-personal"))
    assert not compiled.compiling_pays(cuda, forwards("quick-personal"))
    assert not compiled.compiling_pays(torch.device("cpu"), forwards("paper-personal"))
    assert not compiled.compiling_pays(torch.device("mps"), forwards("paper-personal"))

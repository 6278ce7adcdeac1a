import copy
from dataclasses import replace

import pytest
import torch

from core.domain.errors import CheckpointMismatchError, PriorError
from core.priors.training.evaluation import denoising_psnr
from core.priors.training.recipe import build_training_recipe
from core.priors.training.state import load_file
from core.priors.training.trainer import _draw, train
from tests.fakes import TINY_NETWORK, tiny_prior

NUMBERS = {"steps": 6, "batch": 3, "held_out": 3, "learning_rate": 1e-3, "warmup_steps": 2, "ema_decay": 0.9}
STATE = "state.safetensors"


class StoppedError(Exception):
    """A person's Ctrl-C."""


def fresh(**changes):
    """Random weights, with the dropout that only `fork_rng` can repeat."""
    return tiny_prior(network=TINY_NETWORK | {"dropout": 0.1}, **changes)


def run(folder, data, stop_after=None, prior=None, numbers=None, **rest):
    folder.mkdir(exist_ok=True)

    def on_step(step, loss):
        if step == stop_after:
            raise StoppedError

    recipe = build_training_recipe(**(NUMBERS | (numbers or {})))
    prior = prior or fresh()
    return prior, *train(prior, data, recipe, folder, on_step=on_step, measure_every_steps=2, **rest)


def same(one, two):
    state = two.network.state_dict()
    return all(torch.equal(value, state[key]) for key, value in one.network.state_dict().items())


@pytest.fixture
def whole(data, tmp_path):
    """An uninterrupted training: the prior, its average, its history."""
    return run(tmp_path / "whole", data)


@pytest.mark.parametrize("stops", [[1], [2, 5]])
def test_a_stopped_training_goes_on_to_the_same_bits(whole, data, tmp_path, stops):
    for stop in stops:
        with pytest.raises(StoppedError):
            run(tmp_path / "parts", data, stop)
    prior, averaged, history = run(tmp_path / "parts", data)
    assert same(prior, whole[0])
    assert same(averaged, whole[1])
    assert history == whole[2]
    one, two = (load_file(tmp_path / name / STATE) for name in ("whole", "parts"))
    assert one.keys() == two.keys()
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_a_crash_costs_what_came_after_the_last_saved_state_and_changes_nothing(whole, data, tmp_path):
    def crash(averaged, history):
        if history[-1]["step"] == 4:
            raise StoppedError

    with pytest.raises(StoppedError):
        run(tmp_path / "parts", data, on_measure=crash, save_every_seconds=0.0)
    _, averaged, history = run(tmp_path / "parts", data)
    assert same(averaged, whole[1])
    assert history == whole[2]


def test_a_damaged_state_goes_on_from_the_one_before(whole, data, tmp_path):
    with pytest.raises(StoppedError):
        run(tmp_path / "parts", data, 4, save_every_seconds=0.0)
    (tmp_path / "parts" / STATE).write_bytes(b"damaged")
    assert same(run(tmp_path / "parts", data)[1], whole[1])


def test_a_finished_training_only_hands_out_its_result(whole, data, tmp_path):
    steps = []
    recipe = build_training_recipe(**NUMBERS)
    prior = fresh(seed=5)
    averaged, history = train(prior, data, recipe, tmp_path / "whole", on_step=lambda *told: steps.append(told))
    assert steps == []
    assert same(prior, whole[0])
    assert same(averaged, whole[1])
    assert history == whole[2]


def test_another_seed_trains_another_network(whole, data, tmp_path):
    assert not same(run(tmp_path / "other", data, numbers={"seed": 1})[0], whole[0])


def test_the_average_follows_its_formula(data, tmp_path):
    prior = fresh()
    start = {name: value.double().clone() for name, value in prior.network.named_parameters()}
    seen = []

    def on_step(step, loss):
        seen.append({name: value.detach().double().clone() for name, value in prior.network.named_parameters()})

    recipe = build_training_recipe(**NUMBERS | {"ema_decay": 0.25})
    averaged, _ = train(prior, data, recipe, tmp_path, on_step=on_step)
    for name, value in start.items():
        for i, weights in enumerate(seen):
            decay = [1 / 10, 2 / 11, 3 / 12, 0.25, 0.25, 0.25][i]
            value = decay * value + (1 - decay) * weights[name]
        torch.testing.assert_close(averaged.network.get_parameter(name).double(), value, rtol=0, atol=1e-6)


def test_the_history_holds_rate_loss_and_measurements(whole):
    _, _, history = whole
    recipe = build_training_recipe(**NUMBERS)
    assert [row["step"] for row in history] == [2, 4, 6]
    assert [row["learning_rate"] for row in history] == [recipe.learning_rate_at(step) for step in (1, 3, 5)]
    # 50, 100, 200 and 400 of a thousand steps are 2, 5, 10 and 20 of this prior's fifty.
    assert all(
        row.keys() == {"step", "loss", "learning_rate", "psnr_2", "psnr_5", "psnr_10", "psnr_20"} for row in history
    )


def test_the_loss_told_is_the_mean_of_the_steps_so_far(data, tmp_path):
    told = []
    recipe = build_training_recipe(**NUMBERS)
    train(fresh(), data, recipe, tmp_path, on_step=lambda *counted: told.append(counted[1]))
    singles = [told[0]] + [(i + 1) * told[i] - i * told[i - 1] for i in range(1, len(told))]
    assert told[-1] == pytest.approx(sum(singles) / len(singles))
    assert all(0 < loss < 10 for loss in singles)


def test_training_learns_what_its_pictures_have_in_common(data, tmp_path):
    flat = replace(data, train=data.train * 0 + 200, held_out=data.held_out * 0 + 200)
    numbers = {"steps": 100, "batch": 8, "learning_rate": 5e-3, "ema_decay": 0.9, "warmup_steps": 5, "held_out": 3}
    untrained = denoising_psnr(tiny_prior(), flat.held_out)
    _, history = train(tiny_prior(), flat, build_training_recipe(**numbers), tmp_path, measure_every_steps=100)
    assert all(history[-1][f"psnr_{t}"] > value + 3 for t, value in untrained.items())


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_bf16_autocast_runs_on_a_cpu_and_keeps_float32_weights(whole, data, tmp_path, precision):
    prior = fresh().to("cpu", torch.bfloat16 if precision == "bf16" else None)
    prior, averaged, history = run(tmp_path / "cast", data, prior=prior)
    assert same(averaged, whole[1]) == (precision == "fp32")
    assert {value.dtype for value in averaged.network.state_dict().values()} == {torch.float32}
    assert history[-1]["loss"] == pytest.approx(whole[2][-1]["loss"], rel=0.05)


def test_training_leaves_the_global_generator_alone(data, tmp_path):
    before = torch.random.get_rng_state()
    run(tmp_path / "run", data)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_result_is_read_only_and_in_evaluation_mode(whole):
    for prior in whole[:2]:
        assert not prior.network.training
        assert not any(parameter.requires_grad for parameter in prior.network.parameters())


@pytest.mark.parametrize("how", ["loss", "gradient"])
def test_a_diverged_training_stops_and_keeps_the_state_from_before(data, tmp_path, how):
    with pytest.raises(StoppedError):
        run(tmp_path / "run", data, 2)
    kept = (tmp_path / "run" / STATE).read_bytes()
    prior = fresh()
    hit = prior.network.conv_in.weight
    if how == "gradient":
        hit.requires_grad_(True).register_hook(lambda slope: slope * torch.nan)
    else:
        prior.network.conv_in.register_forward_hook(lambda *passed: passed[2] * torch.nan)
    with pytest.raises(PriorError, match="The training diverged at step 3: its loss is not a finite number") as caught:
        run(tmp_path / "run", data, prior=prior)
    assert caught.value.advice.startswith("Lower the learning rate")
    assert (tmp_path / "run" / STATE).read_bytes() == kept
    assert all(bool(torch.isfinite(value).all()) for value in prior.network.state_dict().values())


DIFFERENT = {
    "numbers": lambda data: (data, None, {"learning_rate": 2e-3}),
    "images": lambda data: (replace(data, sha256="e" * 64), None, {}),
    "starting weights": lambda data: (data, fresh(sha256="2" * 64), {}),
    "network": lambda data: (data, tiny_prior(network=TINY_NETWORK | {"dropout": 0.2}), {}),
    "resolution": lambda data: (data, fresh(resolution=32), {}),
}


@pytest.mark.parametrize("what", DIFFERENT)
def test_the_state_of_another_training_is_refused(data, tmp_path, what):
    with pytest.raises(StoppedError):
        run(tmp_path / "run", data, 1)
    before = (tmp_path / "run" / STATE).read_bytes()
    other, prior, numbers = DIFFERENT[what](data)
    with pytest.raises(CheckpointMismatchError, match="other numbers, images or starting weights") as caught:
        run(tmp_path / "run", other, prior=prior, numbers=numbers)
    assert caught.value.advice == "Choose another folder with -o, or give the numbers it was begun with."
    assert (tmp_path / "run" / STATE).read_bytes() == before


def test_a_batch_follows_from_seed_and_step_alone(data):
    images = torch.from_numpy(data.train)
    recipe = build_training_recipe(batch=40, low_fraction=0.25, low_below=5)
    x0, t, noise = _draw(images, recipe, 50, 7, torch.device("cpu"))
    again = _draw(images, copy.copy(recipe), 50, 7, torch.device("cpu"))
    assert all(torch.equal(one, two) for one, two in zip((x0, t, noise), again, strict=True))
    assert not torch.equal(noise, _draw(images, recipe, 50, 8, torch.device("cpu"))[2])
    assert bool((t[:10] < 5).all())
    assert bool((t[10:] >= 5).any())
    assert int(t.max()) < 50


@pytest.mark.parametrize("flips", [True, False])
def test_a_batch_holds_the_pictures_some_of_them_mirrored(data, flips):
    images = torch.from_numpy(data.train)
    recipe = build_training_recipe(batch=40, flips=flips)
    x0, _, noise = _draw(images, recipe, 50, 0, torch.device("cpu"))
    as_they_are = images.permute(0, 3, 1, 2) / 127.5 - 1
    plain = [any(torch.allclose(x, known, atol=1e-6) for known in as_they_are) for x in x0]
    mirrored = [any(torch.allclose(x.flip(-1), known, atol=1e-6) for known in as_they_are) for x in x0]
    assert all(one != two for one, two in zip(plain, mirrored, strict=True))
    assert any(mirrored) == flips
    assert abs(float(noise.mean())) < 0.02
    assert float(noise.std()) == pytest.approx(1.0, abs=0.02)

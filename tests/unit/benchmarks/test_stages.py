import json

import pytest
import torch
from safetensors.torch import save_file
from typer import Typer
from typer.testing import CliRunner

from benchmarks import stage_runs, stages
from benchmarks.clock import Clock
from benchmarks.flops import count_passes
from benchmarks.rows import Rows
from benchmarks.stage_runs import LOAD, STAGES, Settings, measure, part
from core.priors import compiled
from core.priors.hashing import file_sha256
from core.priors.spec import WEIGHTS_FILE, write_spec
from core.recipes.presets import preset
from tests.fakes import tiny_prior


def settings(stage, fraction=0.1, images=2):
    return Settings("tiny", "cpu", "fp32", stage, fraction, images)


@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage not in (LOAD, "finetune-full-compiled")])
def test_every_stage_says_what_it_took(stage):
    prior = tiny_prior()
    numbers = measure(prior, settings(stage), warm_up=False)
    assert numbers["steps"] >= 2
    assert 0 < numbers["step_seconds"] < numbers["seconds"] < numbers["whole_seconds"]
    assert 0 < numbers["pflop"] < numbers["whole_pflop"]
    assert numbers["tflop_per_second"] > 0
    assert numbers["peak_mib"] > 100
    assert not prior.network._forward_pre_hooks


def test_the_work_is_counted_pass_by_pass():
    prior, recipe = tiny_prior(), preset("quick-generative").recipe
    passes = count_passes(prior.spec, 16)
    restored = measure(prior, settings("restore-ancestral", 0.1), warm_up=False)
    assert restored["steps"] == 5  # of the tiny prior's 50
    assert restored["pflop"] * 1e15 == pytest.approx(5 * passes.forward)
    assert restored["whole_pflop"] * 1e15 == pytest.approx(50 * passes.forward)
    tuned = measure(prior, settings("finetune-full", 3 / recipe.finetune.iterations), warm_up=False)
    assert tuned["pflop"] * 1e15 == pytest.approx(3 * 4 * passes.full)
    batch, single = (measure(prior, settings(f"album-{kind}"), warm_up=False) for kind in ("batch", "single"))
    assert batch["pflop"] == single["pflop"]
    assert single["steps"] == 2 * batch["steps"]


def test_a_compiled_tuning_is_compiled_once_and_not_while_it_warms_up(monkeypatch):
    compilations = []
    monkeypatch.setattr("core.pipeline.finetune.compile_for_tuning", lambda *_: compilations.append(1))
    measure(tiny_prior(), settings("finetune-full-compiled", 0.01), warm_up=True)
    assert len(compilations) == 1
    assert compiled.BACKEND == "inductor"


def test_parts_of_steps():
    assert part(200, 1.0, 10) == 200
    assert part(200, 0.1, 10) == 20
    assert part(200, 0.0, 10) == 10
    assert part(3000, 0.01) == 30
    assert part(25, 0.0) == 2
    assert part(1, 0.5) == 1


def test_what_comes_before_the_first_step_is_not_multiplied(monkeypatch):
    times = iter([0.0, 100.0, 103.0])
    monkeypatch.setattr("time.perf_counter", lambda: next(times))
    clock = Clock(torch.device("cpu"))
    clock.start()
    for done in range(4):
        clock.tick(done)
    numbers = clock.stop(whole_steps=300)
    assert numbers == {"seconds": 103.0, "setup_seconds": 100.0, "step_seconds": 1.0, "whole_seconds": 400.0}


@pytest.fixture
def folder(tmp_path):
    prior = tiny_prior()
    save_file({k: v.contiguous() for k, v in prior.network.state_dict().items()}, tmp_path / WEIGHTS_FILE)
    write_spec(tmp_path, prior.spec.model_copy(update={"sha256": file_sha256(tmp_path / WEIGHTS_FILE)}))
    return tmp_path


def test_a_stage_is_measured_in_a_process_of_its_own(folder):
    measured = stages.measure_apart(Settings(str(folder), "cpu", "fp32", "restore-dpm-solver++", 0.2, 2))
    assert measured["steps"] == part(preset("quick-generative").recipe.restore.sampler_steps, 0.2)
    assert measured["matmul_tflop_per_second"] > 0
    assert set(stages.NUMBERS) <= set(measured)


def test_loading_is_a_stage(folder, capsys):
    stage_runs.main(json.dumps(vars(Settings(str(folder), "cpu", "fp32", LOAD, 1.0, 16))))
    measured = json.loads(capsys.readouterr().out)
    assert measured["seconds"] > 0
    assert "tflop_per_second" not in measured


def test_a_failure_in_that_process_says_its_last_line():
    with pytest.raises(RuntimeError, match=r"load could not be measured: .*no-such-prior"):
        stages.measure_apart(Settings("no-such-prior", "cpu", "fp32", LOAD, 1.0, 16))


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """The command, with a stand-in for measuring; returns its result and the stages that it measured."""
    path, measured = tmp_path / "stages.csv", []

    def fake(settings):
        measured.append(settings.stage)
        if settings.prior == "broken":
            raise RuntimeError("load could not be measured: no such prior")
        numbers = dict.fromkeys(stages.NUMBERS, 2.0)
        return vars(settings) | numbers | {"whole_seconds": 8.0 if "single" in settings.stage else 2.0}

    monkeypatch.setattr(stages, "measure_apart", fake)
    app = Typer()
    app.command()(stages.main)

    def run(*arguments):
        measured.clear()
        result = CliRunner().invoke(app, ["--device", "cpu", "-o", str(path), *arguments])
        return result, list(measured)

    run.path = path
    return run


def test_what_is_measured_is_not_measured_again_unless_asked(bench):
    result, first = bench()
    assert first == list(stages.default_stages("cpu"))
    assert result.exit_code == 0
    assert "an album as one batch takes 0.25 × the time" in result.stdout
    assert "19.9" in result.stdout  # what method.md says
    assert bench()[1] == []
    assert bench("--fraction", "0.5")[1] == first
    assert bench("--stage", LOAD, "--again")[1] == [LOAD]
    assert len(Rows(bench.path, stages.KEY).all()) == 2 * len(first) + 1


def test_a_stage_that_fails_leaves_the_others_and_a_bad_exit_code(bench):
    result, measured = bench("--prior", "broken")
    assert measured == list(stages.default_stages("cpu"))
    assert result.exit_code == 1
    assert "no such prior" in result.stderr


def test_an_unknown_stage_is_refused(bench):
    result, measured = bench("--stage", "polish")
    assert result.exit_code != 0
    assert not measured

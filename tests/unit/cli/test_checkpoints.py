import json

import pytest

from core.pipeline.checkpoint import read_info
from core.priors.spec import WEIGHTS_FILE
from tests.unit.cli.conftest import save_prior


def test_a_checkpoint_of_another_prior_is_refused_before_that_is_loaded(heirloom, pictures, checkpoint, tmp_path, home):
    other = save_prior(home / "priors" / "other", seed=1)
    (other / WEIGHTS_FILE).write_bytes(b"nothing that could be loaded")
    arguments = ["--aligned", "--checkpoint", checkpoint, "--prior", other, "-o", tmp_path / "out"]
    code, _, err = heirloom("restore", pictures / "face0.png", *arguments)
    assert code == 5
    assert "Use that prior, or tune the album again" in err
    assert not (tmp_path / "out").exists()


def test_the_report_says_what_the_checkpoint_was_tuned_with(heirloom, pictures, checkpoint, tmp_path):
    arguments = ["--aligned", "--checkpoint", checkpoint, "-o", tmp_path / "a.png", "--json"]
    code, out, err = heirloom("restore", pictures / "face0.png", *arguments)
    assert code == 0, err
    report, info = json.loads(out), read_info(checkpoint)
    tuning = report["recipe"]["finetune"]
    assert (tuning["iterations"], tuning["learning_rate"], tuning["timesteps_below"]) == (3, 0.002, 20)
    about = {"album_sha256": info.album_sha256, "step": 3, "seed": 7, "scores": info.scores}
    assert report["checkpoint"] == about
    assert report["seed"] == 0


def test_a_k_above_what_a_ready_checkpoint_was_tuned_for_is_warned_of_in_one_line(
    heirloom, pictures, checkpoint, tmp_path
):
    arguments = ["--aligned", "--checkpoint", checkpoint, "-o", tmp_path / "a.png"]
    code, _, err = heirloom("restore", pictures / "face0.png", *arguments, "-k", 21)
    assert code == 0
    assert "warning K is 21, and the checkpoint was tuned on timesteps below 20 only" in err
    assert "Choose -k 20 or less." in err
    assert "warning" not in heirloom("restore", pictures / "face0.png", *arguments, "-k", 20)[2]


def test_a_k_above_what_would_be_tuned_is_tuned_for_and_reported(heirloom, pictures, tmp_path):
    target = tmp_path / "a.png"
    code, out, err = heirloom("restore", pictures / "face0.png", "--aligned", "-o", target, "--json", "-k", 30)
    assert code == 0, err
    assert json.loads(out)["recipe"]["finetune"]["timesteps_below"] == 30
    assert "warning" not in err


FAILING = {
    "a number": (["restore", "{p}/face0.png", "-o", "{t}/a.png", "-k", "0"], 2, "invalid_recipe"),
    "a contradiction": (["restore", "{p}/face0.png", "-o", "{t}/a.png", "--mode", "personal"], 2, "invalid_request"),
    "a name": (["tune", "{t}/album", "-o", "{t}/a.pt"], 2, "invalid_request"),
    "an album": (["tune", "{t}/absent.zip", "-o", "{t}/a.safetensors"], 3, "bad_input"),
    "a prior": (["tune", "{t}/album", "-o", "{t}/a.safetensors", "--prior", "absent"], 4, "prior_unavailable"),
}


@pytest.mark.parametrize("name", FAILING)
def test_an_error_that_ends_the_command_stands_in_the_json_too(heirloom, pictures, album, tmp_path, name):
    command, expected_code, error_code = FAILING[name]
    code, out, err = heirloom(*(word.format(p=pictures, t=tmp_path) for word in command), "--json")
    error = json.loads(out)["error"]
    assert (code, error["code"]) == (expected_code, error_code)
    assert error.keys() == {"code", "detail", "advice"}
    assert err == f"error {error['detail']} {error['advice']}"

"""The base install has no torch: what computes says so, in a process that really cannot import it."""

import json
import subprocess
import sys

import pytest

from core.priors.spec import LinearScheduleSpec
from tests.unit.cli.conftest import save_prior

WITHOUT_TORCH = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "diffusers", "peft"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from cli.main import main
main()
"""
COMPUTING = {
    "restore": ["restore", "{p}/face0.png", "-o", "{t}/out"],
    "restore from a checkpoint": ["restore", "{p}/face0.png", "-o", "{t}/out", "--checkpoint", "{p}/wall.png"],
    "tune": ["tune", "{t}/album", "-o", "{t}/out.safetensors"],
    "demo": ["demo", "-o", "{t}/out"],
}


@pytest.fixture
def without_torch(pictures, tmp_path, home, monkeypatch):
    # Another process knows nothing of the smaller presets: it needs a prior with the usual thousand steps.
    monkeypatch.setenv("HEIRLOOM_PRIOR", str(save_prior(home / "priors" / "long", schedule=LinearScheduleSpec())))

    def run(*arguments):
        command = [sys.executable, "-c", WITHOUT_TORCH, *(word.format(p=pictures, t=tmp_path) for word in arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # our own command

    return run


@pytest.mark.parametrize("name", COMPUTING)
def test_what_computes_says_how_to_install_torch_and_makes_nothing(without_torch, album, tmp_path, home, name):
    ended = without_torch(*COMPUTING[name])
    assert ended.returncode == 1, ended.stderr
    said = " ".join(ended.stderr.split())
    assert said == (
        "error torch is not installed, and this command computes. "
        "Install it: `make setup` in Heirloom's checkout, or `pip install '.[worker]'` there."
    )
    assert not list(tmp_path.glob("out*"))
    assert not (home / "work").exists()


def test_programs_are_told_too(without_torch, pictures):
    error = json.loads(without_torch(*COMPUTING["restore"], "--json").stdout)["error"]
    assert "`make setup`" in error["advice"]


def test_doctor_says_how_to_install_torch(without_torch):
    said = " ".join(without_torch("doctor").stderr.split())
    assert "without it: `make setup` in Heirloom's checkout, or `pip install '.[worker]'` there." in said


def test_doctor_knows_the_api_s_installation_which_computes_nothing(without_torch, monkeypatch):
    monkeypatch.setenv("HEIRLOOM_DATABASE_URL", "postgresql://127.0.0.1:1/heirloom")
    findings = {finding["name"]: finding for finding in json.loads(without_torch("doctor", "--json").stdout)}
    assert "the API's installation" in findings["torch"]["detail"]
    assert [name for name in ("torch", "device", "libraries", "faces") if not findings[name]["ok"]] == []
    assert "diffusers" not in findings["libraries"]["detail"]
    assert not findings["database"]["ok"]


def test_a_wrong_number_needs_no_torch_to_be_refused(without_torch, pictures):
    ended = without_torch(*COMPUTING["restore"], "-k", "0")
    assert ended.returncode == 2
    assert "allowed is at least 1" in " ".join(ended.stderr.split())

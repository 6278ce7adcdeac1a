import errno
import os

import pytest
import torch
from safetensors.torch import save

from core.domain.errors import CheckpointMismatchError, DiskFullError
from core.priors.training.state import TrainingState, load_state, save_state

CURRENT, PREVIOUS, NEW = "state.safetensors", "state.previous.safetensors", "state.new.safetensors"


def state(step):
    tensors = {"weight/a": torch.arange(4.0) + step, "ema/a": torch.full((2, 2), 0.1)}
    return TrainingState(step, tensors, [{"step": 1.0, "loss": 0.1 + 0.2}], 1 / 3)


def keep(folder, step):
    save_state(folder, state(step), "identity", "network")


def found(folder):
    return load_state(folder, "identity", "network")


def test_what_is_saved_is_loaded_to_the_last_bit(tmp_path):
    keep(tmp_path, 7)
    loaded = found(tmp_path)
    assert (loaded.step, loaded.history, loaded.loss_average) == (7, state(7).history, 1 / 3)
    assert all(torch.equal(loaded.tensors[key], value) for key, value in state(7).tensors.items())
    assert loaded.tensors.keys() == state(7).tensors.keys()


def test_two_generations_are_kept(tmp_path):
    for step in (1, 2, 3):
        keep(tmp_path, step)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([CURRENT, PREVIOUS])
    assert found(tmp_path).step == 3
    (tmp_path / CURRENT).unlink()
    assert found(tmp_path).step == 2


def test_at_the_beginning_there_is_none(tmp_path):
    assert found(tmp_path) is None
    assert found(tmp_path / "absent") is None


DAMAGE = {
    "empty": b"",
    "cut off": save({"a": torch.zeros(9)}, {"step": "9", "identity": "identity", "history": "[]"})[:-1],
    "text": b"no safetensors at all",
    "a huge header": (2**62).to_bytes(8, "little"),
    "without metadata": save({"a": torch.zeros(1)}),
    "without identity": save({"a": torch.zeros(1)}, {"step": "9"}),
    "without a step": save({"a": torch.zeros(1)}, {"identity": "identity", "history": "[]"}),
    "a history that is none": save({"a": torch.zeros(1)}, {"step": "9", "identity": "identity", "history": "["}),
    "a step that is none": save({"a": torch.zeros(1)}, {"step": "x", "identity": "identity", "history": "[]"}),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_state_falls_back_to_the_previous_one(tmp_path, damage):
    keep(tmp_path, 1)
    keep(tmp_path, 2)
    (tmp_path / CURRENT).write_bytes(DAMAGE[damage])
    assert found(tmp_path).step == 1
    (tmp_path / PREVIOUS).write_bytes(DAMAGE[damage])
    assert found(tmp_path) is None


def test_a_state_of_an_earlier_version_without_network_and_loss_is_taken_up(tmp_path):
    old = {"step": "5", "identity": "identity", "history": "[]"}
    (tmp_path / CURRENT).write_bytes(save({"weight/a": torch.zeros(1)}, old))
    assert (found(tmp_path).step, found(tmp_path).loss_average) == (5, 0.0)


@pytest.mark.parametrize(("identity", "network"), [("other", "network"), ("identity", "other")])
def test_the_state_of_another_training_is_refused(tmp_path, identity, network):
    keep(tmp_path, 1)
    with pytest.raises(CheckpointMismatchError) as caught:
        load_state(tmp_path, identity, network)
    assert str(tmp_path) in caught.value.message
    assert caught.value.advice.startswith("Choose another folder with -o")


@pytest.mark.parametrize("damaged", [False, True])
def test_a_full_disk_costs_no_good_state(tmp_path, monkeypatch, damaged):
    keep(tmp_path, 1)
    keep(tmp_path, 2)
    if damaged:
        (tmp_path / CURRENT).write_bytes(b"damaged")

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFullError, match="No space is left"):
        keep(tmp_path, 3)
    assert found(tmp_path).step == (1 if damaged else 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([CURRENT, PREVIOUS])


def test_a_save_that_was_cut_off_between_two_renames_is_the_newest(tmp_path):
    keep(tmp_path, 1)
    keep(tmp_path, 2)
    (tmp_path / CURRENT).rename(tmp_path / NEW)
    assert found(tmp_path).step == 2
    keep(tmp_path, 3)
    assert found(tmp_path).step == 3
    assert not (tmp_path / NEW).exists()

import json
import struct
import tempfile

import pytest
import torch
from safetensors.torch import load_file, save_file

from core.domain.errors import CheckpointMismatchError, CheckpointUnreadableError
from core.pipeline.checkpoint import CheckpointInfo, apply_checkpoint, checkpoint_bytes, read_info
from core.priors.adapters import tunable_copy, tuned_state
from core.recipes.schema import FinetuneRecipe
from tests.fakes import tiny_prior, tiny_spec

INFO = CheckpointInfo(
    prior_sha256="1" * 64,
    prior_name="tiny",
    finetune=FinetuneRecipe(iterations=3, learning_rate=1e-4),
    seed=9,
    album_sha256="a" * 64,
    step=3,
    scores={"mean_loss": 0.5},
)


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "alice.safetensors"
    path.write_bytes(checkpoint_bytes(INFO, tuned_state(tiny_prior(seed=5), "full")))
    return path


def rewrite(path, change, metadata=True):
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, INFO.metadata() if metadata else None)


def test_what_a_checkpoint_says_about_itself_comes_back(checkpoint):
    assert read_info(checkpoint) == INFO


def test_an_applied_checkpoint_is_the_tuned_network_in_half_precision(checkpoint):
    tuned = apply_checkpoint(tiny_prior(seed=0), checkpoint)
    expected = tiny_prior(seed=5).network.state_dict()
    for key, value in tuned.network.state_dict().items():
        torch.testing.assert_close(value, expected[key].half().float(), rtol=0, atol=0)


def test_low_rank_adapters_come_back_on_the_shared_base(tmp_path):
    prior = tiny_prior()
    adapted = tunable_copy(prior, "low_rank", 4)
    generator = torch.Generator().manual_seed(0)
    tensors = {
        name: torch.randn(value.shape, generator=generator) for name, value in tuned_state(adapted, "low_rank").items()
    }
    info = CheckpointInfo("1" * 64, "tiny", FinetuneRecipe(method="low_rank", rank=4), 0, "a" * 64, 1)
    path = tmp_path / "low.safetensors"
    path.write_bytes(checkpoint_bytes(info, tensors))
    tuned = apply_checkpoint(prior, path)
    x, t = torch.randn(1, 3, 16, 16, generator=generator), torch.tensor([5])
    with torch.no_grad():
        assert not torch.allclose(tuned.predict(x, t), prior.predict(x, t))
    for name, value in tuned_state(tuned, "low_rank").items():
        torch.testing.assert_close(value, tensors[name].half().float(), rtol=0, atol=0)


def test_a_checkpoint_of_another_prior_is_refused_with_both_names(checkpoint):
    other = tiny_prior(sha256="2" * 64, name="other")
    with pytest.raises(CheckpointMismatchError, match=r"'tiny'.*'other'.*Use that prior"):
        apply_checkpoint(other, checkpoint)


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors: tensors.pop("conv_in.bias"),
        lambda tensors: tensors.update(surplus=torch.zeros(1)),
        lambda tensors: tensors.update({"conv_in.bias": torch.zeros(3)}),
        lambda tensors: tensors.update({"conv_in.bias": torch.zeros(16, dtype=torch.int32)}),
        lambda tensors: tensors["conv_in.bias"].fill_(float("nan")),
        lambda tensors: tensors["conv_in.bias"].fill_(float("inf")),
    ],
    ids=["missing", "surplus", "misshapen", "of another type", "not a number", "infinite"],
)
def test_tensors_that_are_not_exactly_right_are_refused(checkpoint, change):
    rewrite(checkpoint, change)
    with pytest.raises(CheckpointUnreadableError):
        apply_checkpoint(tiny_prior(), checkpoint)


@pytest.mark.parametrize("part", [0, 4, 100, 5_000])
def test_a_file_that_was_cut_off_is_refused(checkpoint, part):
    checkpoint.write_bytes(checkpoint.read_bytes()[:part])
    with pytest.raises(CheckpointUnreadableError):
        apply_checkpoint(tiny_prior(), checkpoint)


def test_a_key_that_occurs_twice_is_refused(tmp_path):
    header = (
        b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    )
    path = tmp_path / "twice.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * 4)
    with pytest.raises(CheckpointUnreadableError, match="twice"):
        read_info(path)


def test_a_safetensors_file_of_something_else_is_refused(checkpoint):
    rewrite(checkpoint, lambda _: None, metadata=False)
    with pytest.raises(CheckpointUnreadableError, match="not a Heirloom checkpoint"):
        read_info(checkpoint)


def test_a_checkpoint_in_memory_is_applied_without_a_file(checkpoint, monkeypatch):
    def no_file(*_, **__):
        raise AssertionError("a checkpoint is biometric data: it is not written to a temporary folder")

    for name in ("mkstemp", "mkdtemp", "NamedTemporaryFile", "TemporaryDirectory"):
        monkeypatch.setattr(tempfile, name, no_file)
    one, two = (apply_checkpoint(tiny_prior(), source) for source in (checkpoint, checkpoint.read_bytes()))
    for key, value in one.network.state_dict().items():
        assert value.equal(two.network.state_dict()[key])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda tensors: tensors.pop("conv_in.bias"), "The file lacks 'conv_in.bias'"),
        (lambda tensors: tensors["conv_in.bias"].fill_(float("nan")), "The file: 'conv_in.bias' holds values"),
    ],
    ids=["missing", "not a number"],
)
def test_a_checkpoint_in_memory_is_checked_as_strictly(checkpoint, change, words):
    rewrite(checkpoint, change)
    with pytest.raises(CheckpointUnreadableError, match=words):
        apply_checkpoint(tiny_prior(), checkpoint.read_bytes())


@pytest.mark.parametrize("part", [0, 4, 100, 5_000])
def test_a_checkpoint_in_memory_that_was_cut_off_is_refused(checkpoint, part):
    with pytest.raises(CheckpointUnreadableError):
        apply_checkpoint(tiny_prior(), checkpoint.read_bytes()[:part])


def test_damaged_metadata_is_refused(checkpoint):
    tensors = load_file(checkpoint)
    save_file(tensors, checkpoint, INFO.metadata() | {"recipe": json.dumps({"iterations": -1})})
    with pytest.raises(CheckpointUnreadableError, match="damaged"):
        read_info(checkpoint)


def test_equal_weights_give_equal_bytes():
    one, two = (checkpoint_bytes(INFO, tuned_state(tiny_prior(seed=5), "full")) for _ in range(2))
    assert one == two
    assert tiny_spec().sha256 == INFO.prior_sha256

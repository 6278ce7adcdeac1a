import json
import struct

import pytest
import torch
from safetensors.torch import load, load_file, save_file

from core.domain.errors import CheckpointUnreadableError, WeightsRejectedError
from core.priors.weights import read_header, read_metadata, read_weights, weights_bytes

STATE = {"b": torch.arange(6.0).reshape(2, 3), "a": torch.tensor([0.5])}
SHAPES = {"a": (1,), "b": (2, 3)}


def with_header(path, header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights.safetensors"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_weights_come_back_as_float32(path, dtype):
    path.write_bytes(weights_bytes(STATE, dtype=dtype))
    found = read_weights(path, SHAPES)
    assert {key: value.dtype for key, value in found.items()} == dict.fromkeys(SHAPES, torch.float32)
    assert all(torch.equal(found[key], STATE[key]) for key in SHAPES)  # these numbers are exact in every type


def test_the_library_itself_reads_what_is_written():
    data = weights_bytes(STATE, {"z": "1", "a": "2"})
    assert all(torch.equal(load(data)[key], STATE[key].half()) for key in SHAPES)


def test_equal_weights_give_equal_bytes_whatever_the_order():
    names = {str(i): str(i) for i in range(20)}
    first = weights_bytes(STATE, names)
    assert all(weights_bytes(dict(reversed(STATE.items())), dict(reversed(names.items()))) == first for _ in range(5))


def test_integers_keep_their_type_and_views_are_made_whole(path):
    wide = torch.arange(6.0).reshape(2, 3)
    path.write_bytes(weights_bytes({"count": torch.tensor([300_000]), "view": wide.t()}))
    found = load_file(path)
    assert found["count"].tolist() == [300_000]
    assert found["view"].tolist() == [[0, 3], [1, 4], [2, 5]]


def test_tensors_begin_at_a_multiple_of_eight_bytes():
    for length in range(9):
        assert int.from_bytes(weights_bytes(STATE, {"note": "x" * length})[:8], "little") % 8 == 0


def test_metadata_are_read_as_strings(path):
    path.write_bytes(weights_bytes(STATE, {"step": "7", "licence": "für Forschung"}))
    assert read_metadata(path) == {"step": "7", "licence": "für Forschung"}
    save_file(STATE, path)
    assert read_metadata(path) == {}


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"a": STATE["a"]}, "weights.safetensors lacks 'b'."),
        ({}, "weights.safetensors lacks 'a' and 1 more differences."),
        ({**STATE, "c": torch.zeros(1)}, "weights.safetensors has the unexpected key 'c'."),
        ({"a": STATE["a"], "c": torch.zeros(0)}, "lacks 'b' and 1 more differences."),
        ({**STATE, "b": torch.zeros(3, 2)}, "'b' has shape [3, 2], not [2, 3]."),
        ({**STATE, "b": torch.zeros(6)}, "'b' has shape [6], not [2, 3]."),
        ({**STATE, "a": torch.tensor(1.0)}, "'a' has shape [], not [1]."),
        ({**STATE, "a": torch.tensor([1])}, "'a' has the type I64, not a 16- or 32-bit float."),
        ({**STATE, "a": torch.tensor([1.0]).double()}, "'a' has the type F64"),
        ({**STATE, "a": torch.tensor([torch.nan])}, "'a' holds values that are not finite."),
        ({**STATE, "b": torch.full((2, 3), torch.inf)}, "'b' holds values that are not finite."),
    ],
)
def test_anything_but_exactly_the_expected_tensors_is_refused(path, state, said):
    save_file(state, path)
    with pytest.raises(WeightsRejectedError) as caught:
        read_weights(path, SHAPES)
    assert said in caught.value.message
    assert "belong to another network, or the file is damaged" in caught.value.advice


A, B = (
    {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
    {"dtype": "F32", "shape": [2, 3], "data_offsets": [4, 28]},
)
HOSTILE = {
    "a key twice": b'{"a": %s, "b": %s, "a": %s}' % tuple(json.dumps(part).encode() for part in (A, B, A)),
    "metadata twice": b'{"__metadata__": {}, "__metadata__": {}}',
    "a list": b"[1, 2]",
    "a number": b"123",
    "strings for tensors": {"a": "F32", "b": "F32"},
    "no JSON": b"{]",
    "not UTF-8": b'{"\xff": 1}',
    "nested": b"[" * 100_000,
    "a number without end": b"1" * 10_000,
    "shape is a number": {"a": A | {"shape": 1}, "b": B},
    "shape is null": {"a": A | {"shape": None}, "b": B},
    "shape of floats": {"a": A | {"shape": [1.0]}, "b": B},
    "shape is missing": {"a": {"dtype": "F32", "data_offsets": [0, 4]}, "b": B},
    "dtype is a list": {"a": A | {"dtype": ["F32"]}, "b": B},
    "dtype is unknown": {"a": A | {"dtype": "F7"}, "b": B},
    "dtype is missing": {"a": {"shape": [1], "data_offsets": [0, 4]}, "b": B},
    "offsets overlap": {"a": A, "b": B | {"data_offsets": [0, 24]}},
    "offsets beyond the end": {"a": A, "b": B | {"data_offsets": [1004, 1028]}},
    "offsets turned round": {"a": A | {"data_offsets": [4, 0]}, "b": B},
    "offsets are missing": {"a": {"dtype": "F32", "shape": [1]}, "b": B},
    "negative offsets": {"a": A | {"data_offsets": [-4, 0]}, "b": B},
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_header_is_refused_with_our_own_error(path, name):
    with_header(path, HOSTILE[name], bytes(28))
    with pytest.raises(WeightsRejectedError) as caught:
        read_weights(path, SHAPES)
    assert path.name in caught.value.message
    assert caught.value.advice


def test_the_same_header_without_the_hostility_is_read(path):
    with_header(path, {"a": A, "b": B}, bytes(28))
    assert read_weights(path, SHAPES)["b"].shape == (2, 3)


@pytest.mark.parametrize("size", [0, 1, 2**23, 2**63, 2**64 - 1])
def test_an_impossible_header_length_is_refused_before_anything_is_read(path, size):
    path.write_bytes(struct.pack("<Q", size) + b"{}")
    with pytest.raises(WeightsRejectedError, match="its header has an impossible length") as caught:
        read_header(path)
    assert "fetch or make it again" in caught.value.advice


@pytest.mark.parametrize("length", [0, 5, 8, 40, -1])
def test_a_file_that_was_cut_off_is_refused(path, length):
    path.write_bytes(weights_bytes(STATE)[:length])
    with pytest.raises(WeightsRejectedError):
        read_weights(path, SHAPES)


def test_what_is_no_file_is_refused(tmp_path):
    for path in (tmp_path / "absent.safetensors", tmp_path):
        with pytest.raises(WeightsRejectedError, match="is not a safetensors file"):
            read_header(path)


def test_the_reader_raises_the_error_that_its_caller_names(path):
    path.write_bytes(b"nonsense")
    with pytest.raises(CheckpointUnreadableError):
        read_weights(path, SHAPES, CheckpointUnreadableError)
    with pytest.raises(CheckpointUnreadableError):
        read_metadata(path)

import pytest
import torch

from core.domain.errors import WeightsRejectedError
from core.priors.adm import (
    AdmLayout,
    _split_qkv,
    convert_state,
    module_names,
    network_config,
    read_layout,
    resolution_of,
)
from core.priors.diffusers_unet import build_network
from tests.adm_states import adm_state, layout, random_network
from tests.fakes import tiny_spec

FFHQ = AdmLayout(128, (1, 1, 2, 2, 4, 4), 2, (False,) * 4 + (True, False), 6, scale_shift=True)
PUBLISHED = {
    64: layout((1, 2, 3, 4), (False, True, True, True)),
    128: layout((1, 1, 2, 3, 4), (False, False, True, True, True), out_channels=3),
    256: layout((1, 1, 2, 2, 4, 4), (False, False, False, False, True, False)),
}


def test_the_paper_s_network_has_the_131_713_286_parameters_it_is_published_with():
    with torch.device("meta"):
        network = build_network(tiny_spec(network=network_config(FFHQ, 256, None, 0.1)))
    assert sum(parameter.numel() for parameter in network.parameters()) == 131_713_286
    # The counts that were seen when the real layouts were compared: 506 tensors there, 530 here.
    state = dict(network.state_dict())
    assert len(state) == 530
    assert len(adm_state(FFHQ, state)) == 506


@pytest.mark.parametrize("resolution", PUBLISHED)
def test_every_published_layout_is_recognised_and_loads_strictly(resolution):
    shape = PUBLISHED[resolution]
    network = random_network(shape, resolution)
    checkpoint = adm_state(shape, network.state_dict())
    assert read_layout(checkpoint) == shape
    assert resolution_of(shape) == resolution
    fresh = build_network(tiny_spec(network=network_config(shape, resolution, None, 0.0)))
    fresh.load_state_dict(convert_state(checkpoint, shape, None), strict=True)
    for key, value in network.state_dict().items():
        assert torch.equal(fresh.state_dict()[key], value), key


def test_more_blocks_and_heads_of_their_own_width_are_kept_apart():
    shape = layout((1, 2), (True, True), res_blocks=2)
    network = random_network(shape, head_channels=16)
    checkpoint = adm_state(shape, network.state_dict(), head_channels=16)
    assert read_layout(checkpoint).res_blocks == 2
    right, wrong = convert_state(checkpoint, shape, 16), convert_state(checkpoint, shape, None)
    key = "mid_block.attentions.0.to_q.weight"
    assert torch.equal(right[key], network.state_dict()[key])
    assert not torch.equal(wrong[key], network.state_dict()[key])


def test_no_scale_shift_is_read_off_the_checkpoint():
    shape = AdmLayout(32, (1, 2), 1, (False, True), 6, scale_shift=False)
    checkpoint = adm_state(shape, random_network(shape).state_dict())
    assert read_layout(checkpoint) == shape
    assert network_config(shape, 32, None, 0.0)["resnet_time_scale_shift"] == "default"


def test_legacy_rows_are_ordered_by_head_and_new_ones_by_letter():
    rows = torch.arange(12.0)  # two heads of two channels
    legacy = _split_qkv(rows, 2, new_attention_order=False)
    assert [part.tolist() for part in legacy] == [[0, 1, 6, 7], [2, 3, 8, 9], [4, 5, 10, 11]]
    new = _split_qkv(rows, 2, new_attention_order=True)
    assert [part.tolist() for part in new] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]


def test_with_one_head_both_orders_are_the_same():
    rows = torch.arange(24.0).reshape(12, 2, 1)
    for legacy, new in zip(_split_qkv(rows, None, False), _split_qkv(rows, None, True), strict=True):
        assert torch.equal(legacy, new)


def test_heads_that_do_not_divide_the_channels_are_refused():
    with pytest.raises(WeightsRejectedError, match="heads of 5 do not divide"):
        _split_qkv(torch.zeros(12), 5, False)


@pytest.fixture(scope="module")
def checkpoint():
    shape = layout()
    return adm_state(shape, random_network(shape).state_dict())


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ("label_emb.weight", "class-conditional"),
        ("input_blocks.3.0.op.weight", "plain convolutions"),
        ("output_blocks.1.1.conv.weight", "plain convolutions"),
    ],
)
def test_networks_of_another_kind_are_refused_by_name(checkpoint, extra, said):
    with pytest.raises(WeightsRejectedError, match=said):
        read_layout({**checkpoint, extra: torch.zeros(3)})


def test_something_else_altogether_is_refused():
    with pytest.raises(WeightsRejectedError, match="not a guided-diffusion network"):
        read_layout({"conv1.weight": torch.zeros(3, 3)})


@pytest.mark.parametrize(
    "key", ["surplus.weight", "middle_block.1.stranger.weight", "input_blocks.99.0.in_layers.0.bias"]
)
def test_a_key_without_a_place_is_refused_and_named(checkpoint, key):
    with pytest.raises(WeightsRejectedError, match=key.replace(".", r"\.")):
        convert_state({**checkpoint, key: torch.zeros(3)}, layout(), None)


def test_every_place_in_the_network_has_one_name_on_either_side():
    theirs, ours = zip(*module_names(FFHQ), strict=True)
    assert len(set(theirs)) == len(theirs)
    assert len(set(ours)) == len(ours)

import json

import pytest
import torch
from torch.nn import functional

from core.domain.errors import PriorError, WeightsRejectedError
from core.priors.diffusers_unet import build_network, count_parameters, load_unet_prior
from core.priors.spec import PRIOR_FILE, WEIGHTS_FILE
from tests.fakes import TINY_NETWORK, tiny_prior, tiny_spec
from tests.unit.cli.conftest import save_prior

X, T = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0)), torch.tensor([3, 30])


@pytest.fixture
def folder(tmp_path):
    return save_prior(tmp_path / "prior")


def describe(folder, **changes):
    path = folder / PRIOR_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_saved_prior_loads_with_its_weights(folder):
    prior, original = load_unet_prior(folder), tiny_prior()
    for key, value in original.network.state_dict().items():
        assert torch.equal(prior.network.state_dict()[key], value.half().float())
    assert not prior.network.training
    assert not any(parameter.requires_grad for parameter in prior.network.parameters())
    assert prior.device == torch.device("cpu")


def test_the_network_sees_the_image_unshuffled():
    prior = tiny_prior()
    with torch.no_grad():
        expected = functional.pixel_shuffle(prior.network(functional.pixel_unshuffle(X, 2), T).sample, 2)
        assert torch.equal(prior.predict(X, T), expected)


def test_bf16_computes_close_by_and_answers_in_float32():
    prior = tiny_prior()
    with torch.no_grad():
        exact = prior.predict(X, T)
        rough = prior.to("cpu", torch.bfloat16).predict(X, T)
        back = prior.to("cpu").predict(X, T)
    assert rough.dtype == torch.float32
    assert 0 < float((rough - exact).abs().max()) < 0.1
    assert torch.equal(back, exact)


@pytest.mark.parametrize("place", [0, 100, -1])
def test_exchanged_or_damaged_weights_are_found_out_by_their_hash(folder, place):
    data = bytearray((folder / WEIGHTS_FILE).read_bytes())
    data[place] ^= 1
    (folder / WEIGHTS_FILE).write_bytes(data)
    with pytest.raises(WeightsRejectedError, match="The weights of prior 'tiny' are not the ones") as caught:
        load_unet_prior(folder)
    assert "pull or convert it again" in caught.value.advice


def test_weights_of_another_network_are_refused_even_with_the_right_hash(folder):
    describe(folder, network=TINY_NETWORK | {"block_out_channels": [16, 32]})
    with pytest.raises(WeightsRejectedError, match="belong to another network"):
        load_unet_prior(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"stranger": 1},
        {"block_out_channels": [15, 15]},
        {"block_out_channels": "wide"},
        {"block_out_channels": [-16, 16]},
        {"down_block_types": ["DownBlock2D"]},
        {"down_block_types": ["DownBlock3D", "DownBlock2D"]},
        {"norm_num_groups": 0},
        {"layers_per_block": "one"},
        {"dropout": 7},
        {"act_fn": "none"},
    ],
    ids=str,
)
def test_a_network_that_cannot_be_built_is_an_error_of_the_prior(changes):
    with pytest.raises(PriorError, match="The network of prior 'tiny' cannot be built") as caught:
        build_network(tiny_spec(network=TINY_NETWORK | changes))
    assert caught.value.advice == "Convert or pull it again."
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"pixel_unshuffle": 1}, "its network should have 3 channels in and 3 out"),
        ({"variance": "learned_range"}, "its network should have 12 channels in and 24 out"),
        ({"resolution": 18}, "its resolution should be a multiple of 4"),
    ],
)
def test_a_description_whose_parts_do_not_go_together_is_refused(folder, changes, said):
    describe(folder, **changes)
    with pytest.raises(PriorError) as caught:
        load_unet_prior(folder)
    assert caught.value.message == f"The description of prior 'tiny' contradicts itself: {said}."


def test_parameters_are_counted_without_making_room_for_them():
    wide = tiny_spec(network=TINY_NETWORK | {"block_out_channels": [4096, 16_384]})
    assert count_parameters(wide) > 10**10
    assert count_parameters(tiny_spec()) == sum(p.numel() for p in tiny_prior().network.parameters())

import pytest
import torch

from core.priors.adapters import apply_tuned_state, expected_shapes, tunable_copy, tuned_parameters, tuned_state
from tests.fakes import tiny_prior

X, T = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0)), torch.tensor([3, 30])
METHODS = ["full", "low_rank"]


def output(prior):
    with torch.no_grad():
        return prior.predict(X, T)


def tune(prior, method, size=0.1):
    """Change what tuning would change, each tensor by noise of its own."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in tuned_parameters(prior, method).values():
            parameter += size * torch.randn(parameter.shape, generator=generator)


@pytest.mark.parametrize("method", METHODS)
def test_an_untuned_copy_computes_what_the_prior_does(method):
    prior = tiny_prior()
    torch.testing.assert_close(output(tunable_copy(prior, method, 4)), output(prior), rtol=0, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_tuning_a_copy_never_changes_the_prior(method):
    prior = tiny_prior()
    before = {key: value.clone() for key, value in prior.network.state_dict().items()}
    first = output(prior)
    copied = tunable_copy(prior, method, 4)
    tune(copied, method)
    assert float((output(copied) - first).abs().max()) > 0.01
    assert prior.network.state_dict().keys() == before.keys()
    assert all(torch.equal(prior.network.state_dict()[key], value) for key, value in before.items())
    assert torch.equal(output(prior), first)
    assert not any(parameter.requires_grad for parameter in prior.network.parameters())


@pytest.mark.parametrize("method", METHODS)
def test_exactly_the_tuned_parameters_take_a_gradient(method):
    copied = tunable_copy(tiny_prior(), method, 4)
    tuned = tuned_parameters(copied, method)
    trainable = {name for name, parameter in copied.network.named_parameters() if parameter.requires_grad}
    assert trainable == tuned.keys()
    copied.predict(X, T).square().mean().backward()
    assert all(parameter.grad is not None for parameter in tuned.values())


def test_low_rank_copies_share_the_frozen_weights_and_full_ones_do_not():
    prior = tiny_prior()
    frozen = {tensor.data_ptr() for tensor in prior.network.parameters()}
    low, full = (tunable_copy(prior, method, 4) for method in METHODS[::-1])
    shared = [parameter for parameter in low.network.parameters() if parameter.data_ptr() in frozen]
    assert len(shared) == len(list(prior.network.parameters()))
    assert not frozen & {parameter.data_ptr() for parameter in full.network.parameters()}


def test_every_convolution_and_linear_layer_has_an_adapter_no_wider_than_itself():
    prior = tiny_prior()
    kinds = (torch.nn.Conv2d, torch.nn.Linear)
    layers = {name: module for name, module in prior.network.named_modules() if isinstance(module, kinds)}
    shapes = expected_shapes(prior, "low_rank", 14)
    assert len(shapes) == 2 * len(layers)
    for name, module in layers.items():
        rank = min(14, module.weight.shape[0], module.weight.shape[1])
        assert shapes[f"{name}.lora_A.subject.weight"][0] == rank, name
        assert shapes[f"{name}.lora_B.subject.weight"][:2] == (module.weight.shape[0], rank), name


def test_a_full_checkpoint_holds_the_whole_network():
    prior = tiny_prior()
    expected = {key: tuple(value.shape) for key, value in prior.network.state_dict().items()}
    assert expected_shapes(prior, "full", 4) == expected


@pytest.mark.parametrize("method", METHODS)
def test_a_tuned_state_put_on_the_prior_again_computes_the_same(method):
    prior = tiny_prior()
    tuned = tunable_copy(prior, method, 4)
    tune(tuned, method)
    state = {name: tensor.clone() for name, tensor in tuned_state(tuned, method).items()}
    assert {name: tuple(tensor.shape) for name, tensor in state.items()} == expected_shapes(prior, method, 4)
    applied = apply_tuned_state(prior, method, 4, state)
    tuned.network.requires_grad_(False)  # attention adds in another order where its inputs could take a gradient
    assert torch.equal(output(applied), output(tuned))
    assert not any(parameter.requires_grad for parameter in applied.network.parameters())
    assert not applied.network.training


def test_two_subjects_on_one_prior_do_not_meet():
    prior = tiny_prior()
    first = tunable_copy(prior, "low_rank", 4)
    tune(first, "low_rank")
    before = output(first)
    tune(tunable_copy(prior, "low_rank", 2), "low_rank", 0.5)
    assert torch.equal(output(first), before)


def test_adapters_begin_the_same_for_the_same_seed_and_leave_the_global_generator_alone():
    prior = tiny_prior()
    before = torch.random.get_rng_state()
    one, two, other = (tuned_state(tunable_copy(prior, "low_rank", 4, seed), "low_rank") for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)
    assert all(bool((one[name] == 0).all()) for name in one if ".lora_B." in name)


@pytest.mark.parametrize("method", METHODS)
def test_a_copy_computes_in_the_prior_s_precision(method):
    prior = tiny_prior().to("cpu", torch.bfloat16)
    assert tunable_copy(prior, method, 4).autocast_dtype is torch.bfloat16

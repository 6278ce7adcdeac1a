import pytest
import torch

from core.priors.verify import verify_prior
from tests.fakes import GaussianPrior, tiny_prior, tiny_schedule


def test_a_prior_that_knows_its_images_takes_noise_away():
    # The test picture's own mean and deviation: what a prior of such pictures would have learned.
    prior = GaussianPrior(tiny_schedule(), -0.2, 0.3, resolution=32)
    prior.network = torch.nn.Linear(3, 4)
    found = verify_prior(prior)
    assert found.ok
    assert found.parameters == 16
    assert found.denoised_error < 0.9 * found.noisy_error
    assert found.forward_seconds > 0


def test_random_weights_do_not():
    found = verify_prior(tiny_prior())
    assert found.finite
    assert not found.ok
    assert found.denoised_error >= found.noisy_error
    assert found.parameters == sum(parameter.numel() for parameter in tiny_prior().network.parameters())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_prior_that_computes_no_numbers_is_not_right(value):
    prior = GaussianPrior(tiny_schedule(), value, 0.3)
    found = verify_prior(prior)
    assert not found.finite
    assert not found.ok


def test_what_is_found_does_not_depend_on_chance():
    one, two = (verify_prior(tiny_prior()) for _ in range(2))
    assert (one.noisy_error, one.denoised_error, one.output_std) == (
        two.noisy_error,
        two.denoised_error,
        two.output_std,
    )

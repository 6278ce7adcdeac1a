import math

import pytest
import torch

from core.diffusion.loss import discretized_log_likelihood, min_snr_weight, normal_kl, training_loss
from core.diffusion.process import Parameterization, Prediction, Variance
from core.diffusion.schedule import linear_schedule

SCHEDULE = linear_schedule()


def test_the_divergence_of_two_gaussians_is_the_one_torch_knows():
    means = torch.tensor([0.3, -1.0], dtype=torch.float64)
    deviations = torch.tensor([0.5, 2.0], dtype=torch.float64)
    ours = normal_kl(means[:1], 2 * deviations[:1].log(), means[1:], 2 * deviations[1:].log())
    one, other = (torch.distributions.Normal(means[i], deviations[i]) for i in (0, 1))
    assert float(ours) == pytest.approx(float(torch.distributions.kl_divergence(one, other)), rel=1e-12)


def test_the_likelihoods_of_all_256_levels_add_up_to_one():
    levels = torch.arange(256, dtype=torch.float64) / 127.5 - 1
    for mean, deviation in ((0.1, 0.02), (-0.97, 0.3), (0.99, 0.05)):
        log_scale = torch.full_like(levels, math.log(deviation))
        total = discretized_log_likelihood(levels, torch.full_like(levels, mean), log_scale).exp().sum()
        assert float(total) == pytest.approx(1.0, abs=2e-3)  # the tanh approximation's own accuracy


def test_min_snr_weights_are_one_up_to_the_ceiling_and_fall_below_it():
    t = torch.tensor([1, 300, 900])
    ratio = SCHEDULE.signal_to_noise[t]
    expected = torch.where(ratio > 5, 5 / ratio, torch.ones_like(ratio)).float()
    torch.testing.assert_close(min_snr_weight(t, SCHEDULE, 5.0), expected)
    assert expected[0] < 0.01
    assert expected[2] == 1


@pytest.mark.parametrize("prediction", Prediction)
def test_a_perfect_network_costs_nothing(prediction):
    generator = torch.Generator().manual_seed(0)
    x0 = torch.rand(2, 3, 4, 4, generator=generator) * 2 - 1
    noise = torch.randn(x0.shape, generator=generator)
    t = torch.tensor([10, 600])
    alphas = SCHEDULE.alphas_cumprod[t].view(-1, 1, 1, 1).float()
    perfect = {
        Prediction.EPSILON: noise,
        Prediction.X0: x0,
        Prediction.V: alphas.sqrt() * noise - (1 - alphas).sqrt() * x0,
    }[prediction]
    terms = training_loss(perfect, x0, noise, t, SCHEDULE, Parameterization(prediction))
    assert float(terms.total.max()) < 1e-10
    assert terms.variational is None


def test_the_variational_term_trains_the_variance_alone():
    generator = torch.Generator().manual_seed(0)
    x0 = torch.rand(2, 3, 4, 4, generator=generator) * 2 - 1
    noise = torch.randn(x0.shape, generator=generator)
    output = torch.randn(2, 6, 4, 4, generator=generator).requires_grad_(True)
    how = Parameterization(Prediction.EPSILON, Variance.LEARNED_RANGE)
    terms = training_loss(output, x0, noise, torch.tensor([0, 500]), SCHEDULE, how)
    (gradient,) = torch.autograd.grad(terms.variational.sum(), output)
    assert float(gradient[:, :3].abs().max()) == 0
    assert float(gradient[:, 3:].abs().max()) > 0

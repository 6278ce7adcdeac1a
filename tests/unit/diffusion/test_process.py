import pytest
import torch
from diffusers import DDPMScheduler

from core.diffusion.process import (
    Parameterization,
    Prediction,
    Variance,
    add_noise,
    ancestral_step,
    noise_from_x0,
    predict_x0,
    reverse_log_variance,
)
from core.diffusion.schedule import linear_schedule

SCHEDULE = linear_schedule()


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(3)
    x0 = torch.rand(4, 3, 8, 8, generator=generator, dtype=torch.float64) * 2 - 1
    noise = torch.randn(x0.shape, generator=generator, dtype=torch.float64)
    return x0, noise, torch.tensor([0, 7, 500, 999])


def test_x0_comes_back_from_the_true_noise_whatever_the_network_predicts(batch):
    x0, noise, t = batch
    x_t = add_noise(x0, noise, t, SCHEDULE)
    alphas = SCHEDULE.alphas_cumprod[t].view(-1, 1, 1, 1)
    velocity = alphas.sqrt() * noise - (1 - alphas).sqrt() * x0
    for estimate, prediction in ((noise, Prediction.EPSILON), (velocity, Prediction.V), (x0, Prediction.X0)):
        torch.testing.assert_close(predict_x0(estimate, x_t, t, SCHEDULE, prediction), x0, rtol=0, atol=1e-10)
    torch.testing.assert_close(noise_from_x0(x0, x_t, t, SCHEDULE), noise, rtol=0, atol=1e-10)


@pytest.mark.parametrize("variance", ["fixed_small", "fixed_large", "learned_range"])
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_an_ancestral_step_is_that_of_diffusers(batch, variance, prediction):
    x0, noise, _ = batch
    steps = torch.tensor([1, 50, 400, 998])
    x_t = add_noise(x0, noise, steps, SCHEDULE).float()
    generator = torch.Generator().manual_seed(1)
    channels = 6 if variance == "learned_range" else 3
    output = torch.randn(4, channels, 8, 8, generator=generator).clamp(-1, 1)
    # diffusers draws its noise itself: the same generators give us the same.
    fresh = torch.cat([torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(i)) for i in range(4)])
    how = Parameterization(Prediction(prediction), Variance(variance))
    ours = ancestral_step(output, x_t, steps, fresh, SCHEDULE, how)

    theirs = DDPMScheduler(1000, 1e-4, 0.02, variance_type=variance, prediction_type=prediction, clip_sample=True)
    for i, t in enumerate(steps.tolist()):
        step = theirs.step(output[i : i + 1], t, x_t[i : i + 1], generator=torch.Generator().manual_seed(i))
        torch.testing.assert_close(ours.predicted_x0[i : i + 1], step.pred_original_sample, rtol=0, atol=3e-4)
        torch.testing.assert_close(ours.sample[i : i + 1], step.prev_sample, rtol=0, atol=3e-4)


def test_the_last_step_adds_no_noise(batch):
    x0, noise, _ = batch
    t = torch.zeros(4, dtype=torch.int64)
    x_t = add_noise(x0, noise, t, SCHEDULE)
    quiet = ancestral_step(noise, x_t, t, torch.zeros_like(noise), SCHEDULE, Parameterization())
    loud = ancestral_step(noise, x_t, t, 100 * noise, SCHEDULE, Parameterization())
    assert torch.equal(quiet.sample, loud.sample)
    torch.testing.assert_close(quiet.sample, x0, rtol=0, atol=1e-6)


def test_a_learned_variance_needs_its_channels(batch):
    x0, _, t = batch
    with pytest.raises(ValueError, match="twice the image's channels"):
        reverse_log_variance(None, x0, t, SCHEDULE, Variance.LEARNED_RANGE)

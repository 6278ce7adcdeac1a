"""A chain neither waits for the device nor sends it what it already has, and float64 stays on the CPU."""

from collections import Counter

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from core.diffusion.guidance import SkipGuidance
from core.diffusion.loss import min_snr_weight, training_loss
from core.diffusion.process import Parameterization, Prediction, Variance, add_noise, at
from core.diffusion.samplers import Denoiser, sample_ancestral
from core.diffusion.seeds import NoiseStream, image_generator
from core.diffusion.transfer import kept_on_device
from core.priors.base import denoiser_of
from tests.fakes import tiny_schedule

STEPS = 6


class Transfers(TorchDispatchMode):
    """Counts what goes from the CPU to another device, by dtype and whether it is a picture's noise."""

    def __init__(self):
        super().__init__()
        self.sizes = Counter()
        self.float64_elsewhere = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        sources = [arg for arg in args if isinstance(arg, torch.Tensor)]
        if isinstance(result, torch.Tensor) and result.device.type != "cpu":
            if result.dtype == torch.float64:
                self.float64_elsewhere.append(str(function))
            if "copy" in str(function) and any(source.device.type == "cpu" for source in sources):
                self.sizes[tuple(result.shape)] += 1
        return result


def network(channels):
    """A stand-in for a network that any device can run, "meta" included, which computes nothing."""
    return lambda x, _: torch.cat([x * 0.5] * (channels // 3), dim=1)


@pytest.mark.parametrize("variance", list(Variance))
@pytest.mark.parametrize("prediction", list(Prediction))
def test_a_chain_sends_each_table_once_and_otherwise_only_noise(prediction, variance):
    schedule = tiny_schedule()
    channels = 6 if variance is Variance.LEARNED_RANGE else 3
    denoiser = Denoiser(network(channels), schedule, Parameterization(prediction, variance))
    stream = NoiseStream([image_generator(0, i) for i in range(2)], (3, 8, 8), "meta")

    def chain():
        with Transfers() as transfers:
            start = add_noise(stream(), stream(), torch.full((2,), STEPS - 1, device="meta"), schedule)
            sample_ancestral(denoiser, start, STEPS, stream, SkipGuidance(start, every=3))
        assert not transfers.float64_elsewhere
        assert transfers.sizes.pop((2, 3, 8, 8)) == STEPS + 2
        return transfers.sizes

    first, second = chain(), chain()
    assert set(first) == {(schedule.steps,)}
    assert first[schedule.steps,] < STEPS + 4  # tables, not look-ups
    assert not second


def test_no_loss_moves_float64():
    schedule = tiny_schedule()
    x0, noise = (torch.zeros(2, 3, 8, 8, device="meta") for _ in range(2))
    t = torch.zeros(2, dtype=torch.int64, device="meta")
    with Transfers() as transfers:
        for prediction in Prediction:
            learned = Parameterization(prediction, Variance.LEARNED_RANGE)
            training_loss(torch.zeros(2, 6, 8, 8, device="meta"), x0, noise, t, schedule, learned)
        assert min_snr_weight(t, schedule, 5.0).dtype == torch.float32
    assert transfers.sizes
    assert not transfers.float64_elsewhere


def test_a_kept_table_holds_the_numbers_that_a_look_up_on_the_cpu_gives(device):
    table = tiny_schedule().posterior_log_variance_clipped
    t = torch.tensor([0, 7, 49])
    for dtype in (torch.float32, torch.float64):
        like = torch.zeros(3, 1, 1, 1, dtype=dtype)
        expected = at(table, t, like).flatten()
        assert torch.equal(kept_on_device(table, like.to(device))[t.to(device)].cpu(), expected)
    again = kept_on_device(table, like.to(device))
    assert again.data_ptr() == kept_on_device(table, like.to(device)).data_ptr()


def test_a_chain_on_cuda_never_waits(cuda, make_prior):
    prior = make_prior(cuda, torch.bfloat16)
    stream = NoiseStream([image_generator(0, i) for i in range(2)], (3, 16, 16), cuda)
    guidance = SkipGuidance(stream(), every=3)

    def whole_chain():
        return sample_ancestral(denoiser_of(prior), stream(), STEPS, stream, guidance)

    whole_chain()  # tables, workspaces and kernels arrive
    torch.cuda.set_sync_debug_mode("error")
    try:
        whole_chain()
    finally:
        torch.cuda.set_sync_debug_mode("default")

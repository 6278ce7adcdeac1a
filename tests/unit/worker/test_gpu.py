import pytest
import torch

from core.domain.errors import HeirloomError, PriorUnavailableError
from core.pipeline.checkpoint import CheckpointInfo, checkpoint_bytes
from core.priors.adapters import tunable_copy, tuned_state
from core.recipes.schema import FinetuneRecipe
from tests.benches import tiny_home
from worker.gpu import Gpu


@pytest.fixture
def spec(tmp_path):
    return tiny_home(tmp_path)


@pytest.fixture
def open_gpu(tmp_path, spec):
    return lambda cache_bytes=2**30: Gpu("cpu", "auto", tmp_path, {spec.sha256: "tiny"}, cache_bytes)


def checkpoint(prior, method="full", seed=0):
    numbers = FinetuneRecipe(method=method, rank=2)
    info = CheckpointInfo(prior.spec.sha256, prior.spec.name, numbers, seed, "0" * 64, 1, {})
    return checkpoint_bytes(info, tuned_state(tunable_copy(prior, method, 2, seed), method))


def size_of(prior):
    return sum(parameter.numel() * parameter.element_size() for parameter in prior.network.parameters())


def test_a_prior_is_loaded_once(open_gpu, spec):
    gpu = open_gpu()
    assert gpu.prior(spec.sha256) is gpu.prior(spec.sha256)
    assert (gpu.device.type, gpu.precision) == ("cpu", "fp32")


def test_a_prior_that_is_not_here_or_was_exchanged_is_not_used(open_gpu, spec, tmp_path):
    gpu = open_gpu()
    with pytest.raises(PriorUnavailableError, match="not on this worker"):
        gpu.prior("9" * 64)
    gpu.priors = {"9" * 64: "tiny"}
    with pytest.raises(PriorUnavailableError, match="exchanged"):
        gpu.prior("9" * 64)


def test_a_checkpoint_is_applied_once_and_another_beside_it(open_gpu, spec):
    gpu = open_gpu()
    prior = gpu.prior(spec.sha256)
    data = checkpoint(prior)
    assert gpu.constrained(prior, data) is gpu.constrained(prior, data)
    assert gpu.cached_bytes == 2 * size_of(prior)


def test_adapters_share_the_prior_s_memory(open_gpu, spec):
    gpu = open_gpu()
    prior = gpu.prior(spec.sha256)
    constrained = gpu.constrained(prior, checkpoint(prior, "low_rank"))
    assert size_of(prior) < gpu.cached_bytes == size_of(constrained)


def test_what_was_used_longest_ago_goes_first_and_only_what_does_not_fit(open_gpu, spec):
    gpu = open_gpu()
    prior = gpu.prior(spec.sha256)
    one, two = (checkpoint(prior, "low_rank", seed) for seed in (1, 2))
    first = gpu.constrained(prior, one)
    gpu.constrained(prior, two)
    gpu.prior(spec.sha256)
    gpu.constrained(prior, one)
    gpu._cache_bytes = size_of(first)
    gpu.trim()
    assert gpu.constrained(prior, one) is first
    assert gpu.prior(spec.sha256) is prior


def test_nothing_stays_where_nothing_may(open_gpu, spec):
    gpu = open_gpu(0)
    prior = gpu.prior(spec.sha256)
    gpu.trim()
    assert gpu.cached_bytes == 0
    assert gpu.prior(spec.sha256) is not prior


def test_peak_memory_is_measured(open_gpu):
    gpu = open_gpu()
    gpu.start_measuring()
    assert gpu.measured()["peak_memory_bytes"] > 2**20


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_a_device_that_is_not_there_stops_the_start(tmp_path):
    with pytest.raises(HeirloomError, match="no cuda device"):
        Gpu("cuda", "auto", tmp_path, {}, 0)

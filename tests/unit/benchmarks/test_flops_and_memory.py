import numpy as np
import pytest
import torch

from benchmarks.adm256 import adm_256_spec
from benchmarks.flops import count_passes, matmul_flop_per_second
from benchmarks.memory import peak_bytes
from core.priors.diffusers_unet import count_parameters
from tests.fakes import tiny_spec

CPU = torch.device("cpu")


def test_the_paper_s_network_has_its_size_and_costs_what_the_method_says():
    spec = adm_256_spec()
    assert count_parameters(spec) == 131_713_286
    passes = count_passes(spec, rank=16)
    assert passes.forward / 1e9 == pytest.approx(554, rel=0.005)
    # "A training sample counts three forwards"; the gradient to the image alone is one more forward.
    assert passes.full / passes.forward == pytest.approx(3, rel=0.01)
    assert passes.guided / passes.forward == pytest.approx(2, rel=0.01)
    assert passes.forward < passes.guided < passes.low_rank < passes.full


def test_a_convolution_is_counted_as_written_down():
    spec = tiny_spec()
    width, side, channels = 16, 8, 12
    lone = 2 * side**2 * 9 * channels * width  # the first layer, one of many
    assert lone < count_passes(spec, 4).forward < 200 * lone


def test_the_rate_of_a_matrix_product_is_a_rate():
    assert 1e8 < matmul_flop_per_second(CPU, torch.float32, seconds=0.05) < 1e15


def test_the_peak_rises_with_what_is_held_and_stays():
    before = peak_bytes(CPU)
    held = np.ones(200 * 2**20, dtype=np.uint8)
    peak = peak_bytes(CPU)
    assert peak >= held.nbytes
    del held
    assert peak >= before * 0.99  # the kernel counts in batches of pages
    assert peak_bytes(CPU) >= peak * 0.99

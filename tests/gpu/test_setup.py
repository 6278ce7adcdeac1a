"""What choosing CUDA sets, and which precision a device gets by itself."""

import os

import pytest
import torch

from cli.device import Device, Precision, autocast_of, open_device


@pytest.fixture
def settings_restored(monkeypatch):
    cudnn, matmul, cuda = torch.backends.cudnn, torch.backends.cuda.matmul, torch.backends.cuda
    before = cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32, matmul.allow_tf32
    fused = cuda.flash_sdp_enabled(), cuda.mem_efficient_sdp_enabled(), cuda.cudnn_sdp_enabled()
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")  # a person's own choice
    yield
    cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32, matmul.allow_tf32 = before
    cuda.enable_flash_sdp(fused[0])
    cuda.enable_mem_efficient_sdp(fused[1])
    cuda.enable_cudnn_sdp(fused[2])


@pytest.mark.parametrize("asked", [Device.AUTO, Device.CUDA])
def test_choosing_cuda_makes_it_repeat_itself_and_float32_be_float32(asked, settings_restored, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    torch.backends.cudnn.benchmark = True
    assert open_device(asked) == torch.device("cuda")
    assert not torch.backends.cudnn.benchmark
    assert torch.backends.cudnn.deterministic
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32
    assert not torch.backends.cuda.flash_sdp_enabled()
    assert torch.backends.cuda.math_sdp_enabled()
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"


def test_choosing_the_cpu_sets_nothing():
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.flash_sdp_enabled()
    assert open_device(Device.CPU) == torch.device("cpu")
    assert (torch.backends.cudnn.allow_tf32, torch.backends.cuda.flash_sdp_enabled()) == before


@pytest.mark.parametrize(("native", "expected"), [(True, torch.bfloat16), (False, None)])
def test_auto_is_bf16_only_where_the_gpu_computes_in_it(monkeypatch, native, expected):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or native)
    assert autocast_of(Precision.AUTO, torch.device("cuda")) is expected
    assert autocast_of(Precision.BF16, torch.device("cuda")) is torch.bfloat16
    assert autocast_of(Precision.FP32, torch.device("cuda")) is None


def test_auto_is_float32_elsewhere():
    assert autocast_of(Precision.AUTO, torch.device("cpu")) is None
    assert autocast_of(Precision.AUTO, torch.device("mps")) is None
    assert autocast_of(Precision.BF16, torch.device("cpu")) is torch.bfloat16

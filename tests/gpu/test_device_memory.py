"""Memory is given back after every restoration, and running out of it is an error that says what to do."""

import gc
from contextlib import contextmanager, suppress

import numpy as np
import pytest
import torch

from core.domain.errors import OutOfMemoryError
from core.imaging.intake import encode
from core.imaging.resize import resize
from core.pipeline.plan import plan
from core.pipeline.ports import Ports
from core.pipeline.request import Photo, RestoreRequest
from core.pipeline.run import run
from core.recipes.schema import build_recipe

RECIPE = build_recipe(
    {
        "name": "tiny",
        "mode": "generative",
        "album": {"images": 4, "start_steps": 8, "guidance_every": 4},
        "finetune": {"iterations": 3, "batch": 2},
        "restore": {"noise_steps": 8},
    }
)


def restore(prior, faces):
    request = RestoreRequest((Photo("face.png", encode(resize(faces[0], 64)), aligned=True),))
    (result,) = run(plan(request, RECIPE, prior.spec), request, RECIPE, prior, Ports()).photos
    return result.faces[0].candidates[0].image


def bytes_in_use(device) -> int:
    """What tensors hold on the device now."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.synchronize()
        return torch.cuda.memory_allocated()
    tensors = [thing for thing in gc.get_objects() if type(thing) in (torch.Tensor, torch.nn.Parameter)]
    return sum({tensor.data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors}.values())


def test_a_restoration_gives_its_memory_back(device, make_prior, faces):
    prior = make_prior(device)
    restore(prior, faces)  # what is kept for good is kept now: tables, workspaces
    before = bytes_in_use(device)
    for _ in range(3):
        restore(prior, faces)
    assert bytes_in_use(device) <= before


def test_the_peak_does_not_rise_from_one_restoration_to_the_next(cuda, make_prior, faces):
    prior = make_prior(cuda, torch.bfloat16)
    peaks = []
    for _ in range(4):
        torch.cuda.reset_peak_memory_stats()
        restore(prior, faces)
        peaks.append(torch.cuda.max_memory_allocated())
    assert max(peaks[1:]) <= peaks[1] * 1.01


def test_a_full_device_is_our_error_and_the_next_photo_works(device, make_prior, faces, monkeypatch):
    prior = make_prior(device)
    whole = restore(prior, faces)

    def full(x_t, t):
        raise torch.OutOfMemoryError("out of memory")

    with monkeypatch.context() as patched:
        patched.setattr(prior, "predict", full)
        with pytest.raises(OutOfMemoryError, match="too little memory") as caught:
            restore(prior, faces)
    assert caught.value.advice
    assert np.array_equal(restore(prior, faces), whole)


def test_weights_that_do_not_fit_are_our_error(make_prior, monkeypatch):
    prior = make_prior("cpu")

    def full(*_):
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(prior.network, "to", full)
    with pytest.raises(OutOfMemoryError, match="too little memory for the weights of prior 'tiny'"):
        prior.to("cuda")


@contextmanager
def no_more_memory(device):
    """The allocator may ask the device for nothing more, and what it holds is filled to its smallest block."""
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(1e-6)
    ballast = []
    with suppress(torch.OutOfMemoryError):
        while True:
            ballast.append(torch.empty(512, dtype=torch.uint8, device=device))
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def test_a_truly_full_device_is_our_error_and_the_next_photo_works(cuda, make_prior, faces):
    prior = make_prior(cuda)
    whole = restore(prior, faces)
    with no_more_memory(cuda), pytest.raises(OutOfMemoryError):
        restore(prior, faces)
    assert np.array_equal(restore(prior, faces), whole)

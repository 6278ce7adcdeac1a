"""The same tests on every device: on the CPU in every run, on CUDA (`pytest -m gpu`) where there is one."""

import copy

import numpy as np
import pytest
import torch
from skimage.data import astronaut

from cli.device import Device, open_device
from core.domain.errors import CancelledError
from core.imaging.resize import resize
from core.pipeline.finetune import finetune
from core.priors.adm import network_config
from core.priors.diffusers_unet import UNetPrior
from tests.adm_states import layout
from tests.fakes import TINY_NETWORK, tiny_prior

WITHOUT_CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device, and there is none here")
CUDA = pytest.param("cuda", marks=[pytest.mark.gpu, WITHOUT_CUDA])


@pytest.fixture(params=["cpu", CUDA])
def device(request) -> torch.device:
    return open_device(Device(request.param))


@pytest.fixture(params=[CUDA])
def cuda(request) -> torch.device:
    """For what only CUDA has."""
    return open_device(Device(request.param))


ADM = {
    "network": network_config(layout(), 16, None, 0.1),
    "pixel_unshuffle": 1,
    "variance": "learned_range",
}
STARTER = {"network": TINY_NETWORK | {"dropout": 0.1}}


@pytest.fixture(params=[STARTER, ADM], ids=["starter", "adm"])
def make_prior(request):
    """A builder of one of the two networks, tiny, with equal weights each time: make_prior(device, bf16)."""

    def build(device, autocast_dtype=None) -> UNetPrior:
        return tiny_prior(**request.param).to(device, autocast_dtype)

    return build


class Float64Prior(UNetPrior):
    def predict(self, x_t, t):
        return super().predict(x_t.double(), t)


@pytest.fixture
def truth(make_prior) -> UNetPrior:
    """The same weights computed in float64 on the CPU: what every device is held against."""
    prior = make_prior("cpu")
    return Float64Prior(prior.spec, copy.deepcopy(prior.network).double())


@pytest.fixture(scope="session")
def faces() -> list[np.ndarray]:
    """Six different pictures of a face at the tiny priors' resolution, [16, 16, 3]."""
    face = np.ascontiguousarray(astronaut()[10:266, 90:346])
    return [resize(np.roll(face, 6 * i, axis=1), 16) for i in range(6)]


@pytest.fixture
def tune(faces):
    """A tuning that can be stopped: returns the checkpoint (None if stopped) and the resume state."""

    def run(prior, recipe, *, stop_at=None, state=None, compiled=None):
        kept = {"state": state}

        def on_step(done):
            if done == stop_at:
                raise CancelledError("Stopped.")

        try:
            data = finetune(
                prior,
                faces,
                recipe,
                0,
                "0" * 64,
                on_step=on_step,
                load_state=lambda: kept["state"],
                save_state=lambda state: kept.__setitem__("state", state),
                compiled=compiled,
            )
        except CancelledError:
            data = None
        return data, kept["state"]

    return run

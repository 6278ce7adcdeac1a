"""The paper's network at its real size with random weights: what it costs does not depend on what it knows."""

import torch

from cli.settings import home
from core.priors.adm import AdmLayout, network_config
from core.priors.diffusers_unet import UNetPrior, build_network
from core.priors.locate import load_prior
from core.priors.spec import PriorSpec

ADM_256 = "adm-256"


def adm_256_spec() -> PriorSpec:
    """The FFHQ-256 network of the paper (method.md, section 4): 131,713,286 parameters."""
    layout = AdmLayout(128, (1, 1, 2, 2, 4, 4), 2, (False, False, False, False, True, False), 6, scale_shift=True)
    return PriorSpec(
        name=ADM_256,
        network=network_config(layout, 256, None, 0.1),
        variance="learned_range",
        resolution=256,
        sha256="0" * 64,  # of no file: its weights are random
    )


def open_benchmark_prior(name: str, device: torch.device, autocast_dtype: torch.dtype | None) -> UNetPrior:
    """The prior to measure, on its device; errors as for `load_prior`."""
    if name != ADM_256:
        return load_prior(name, home(), device, autocast_dtype)
    spec = adm_256_spec()
    torch.manual_seed(0)
    return UNetPrior(spec, build_network(spec)).to(device, autocast_dtype)

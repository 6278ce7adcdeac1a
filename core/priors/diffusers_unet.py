"""Priors whose network is diffusers' `UNet2DModel`: our starter, published DDPM pipelines, converted ADM."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, autocast, nn
from torch.nn import functional

from core.domain.errors import OutOfMemoryError, PriorError, WeightsRejectedError
from core.priors.base import parameterization_of, schedule_of
from core.priors.calibration import Calibration
from core.priors.hashing import file_sha256
from core.priors.spec import WEIGHTS_FILE, PriorSpec, read_spec
from core.priors.weights import read_weights


def build_network(spec: PriorSpec) -> nn.Module:
    """The network a `prior.json` describes, with random weights.

    Raises:
        PriorError: `UNet2DModel` does not take these arguments.
    """
    from diffusers import UNet2DModel  # here: importing it costs three seconds, and `models list` needs none of it

    arguments: dict[str, Any] = {key: value for key, value in spec.network.items() if not key.startswith("_")}
    try:
        network: nn.Module = UNet2DModel(**arguments)
    except Exception as error:  # a strange description can make the constructor fail in any way
        raise PriorError(
            f"The network of prior {spec.name!r} cannot be built: {' '.join(str(error).split())}",
            "Convert or pull it again.",
        ) from error
    return network


def count_parameters(spec: PriorSpec) -> int:
    """Of the network a `prior.json` describes, without making room for them; errors as for `build_network`."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in build_network(spec).parameters())


class UNetPrior:
    """A `UNet2DModel` behind the `Prior` protocol."""

    def __init__(self, spec: PriorSpec, network: nn.Module) -> None:
        """Wrap a network; it is moved to channels-last, which convolutions run faster in (CPU: 1.3 ×)."""
        self.spec = spec
        self.schedule = schedule_of(spec)
        self.parameterization = parameterization_of(spec)
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub
        self.network.eval()
        self.network.requires_grad_(False)  # a prior is read-only; core.priors.adapters makes what can be tuned
        self.compiled_network: Callable[..., Any] | None = None  # the same weights; see core.priors.compiled
        self.autocast_dtype: torch.dtype | None = None
        self.calibration: Calibration | None = None  # of these weights; what is tuned from them has none

    @property
    def device(self) -> torch.device:
        """Where the network's parameters are."""
        parameter: Tensor = next(self.network.parameters())
        return parameter.device

    def to(self, device: torch.device | str, autocast_dtype: torch.dtype | None = None) -> "UNetPrior":
        """Move to a device; compute in `autocast_dtype` (bf16 on a GPU), or in float32 where it is None.

        Raises:
            OutOfMemoryError: the weights do not fit.
        """
        try:
            self.network.to(device)
        except torch.OutOfMemoryError as error:
            raise OutOfMemoryError(
                f"The device has too little memory for the weights of prior {self.spec.name!r}.",
                "Free some of it, choose a smaller prior, or --device cpu.",
            ) from error
        self.autocast_dtype = autocast_dtype
        return self

    def predict(self, x_t: Tensor, t: Tensor) -> Tensor:
        """See `Prior.predict`."""
        factor = self.spec.pixel_unshuffle
        inputs = functional.pixel_unshuffle(x_t, factor) if factor > 1 else x_t
        inputs = inputs.contiguous(memory_format=torch.channels_last)
        # No autocast at all where none is wanted: even a disabled one warns on devices without bf16.
        precision = nullcontext() if self.autocast_dtype is None else autocast(x_t.device.type, self.autocast_dtype)
        network = self.network if self.compiled_network is None else self.compiled_network
        with precision:
            output: Tensor = network(inputs, t, return_dict=False)[0]
        output = output.float()
        return functional.pixel_shuffle(output, factor) if factor > 1 else output


def load_unet_prior(folder: Path, verify: bool = True) -> UNetPrior:
    """Load a prior folder: `prior.json` and `model.safetensors`.

    Args:
        folder: the prior's.
        verify: compare the weights' sha256 with what `prior.json` says.

    Raises:
        PriorUnavailableError: no prior there.
        PriorError: its description is wrong.
        WeightsRejectedError: its weights are not exactly what the description says.
    """
    spec = read_spec(folder)
    path = folder / WEIGHTS_FILE
    if not path.is_file():
        raise WeightsRejectedError(f"{folder} has no {WEIGHTS_FILE}.", "Pull or convert the prior again.")
    if verify and file_sha256(path) != spec.sha256:
        raise WeightsRejectedError(
            f"The weights of prior {spec.name!r} are not the ones its description names.",
            "The file is damaged or was exchanged: pull or convert it again.",
        )
    network = build_network(spec)
    _check_sides(spec, network)
    expected = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    network.load_state_dict(read_weights(path, expected), strict=True)
    return UNetPrior(spec, network)


def _check_sides(spec: PriorSpec, network: nn.Module) -> None:
    """Refuse a description whose parts do not go together before the first image fails in the network."""
    config: dict[str, Any] = cast(Any, network).config
    images = 3 * spec.pixel_unshuffle**2
    outputs = images * (2 if spec.variance == "learned_range" else 1)
    multiple = spec.pixel_unshuffle * 2 ** (len(config["down_block_types"]) - 1)
    if (config["in_channels"], config["out_channels"]) != (images, outputs):
        problem = f"its network should have {images} channels in and {outputs} out"
    elif spec.resolution % multiple:
        problem = f"its resolution should be a multiple of {multiple}"
    else:
        return
    raise PriorError(
        f"The description of prior {spec.name!r} contradicts itself: {problem}.", "Convert or pull it again."
    )

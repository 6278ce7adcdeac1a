"""What a folder published by diffusers says about itself → `PriorSpec`. Torch-free, as `prior.json` is.

Two layouts are published: the pipeline's (`unet/config.json`, `scheduler/scheduler_config.json`) and the flat one of
2022 (`config.json`, `scheduler_config.json` at the top), which google/ddpm-celebahq-256 and its sisters still have.
"""

import json
import re
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from core.domain.errors import PriorError, WeightsRejectedError
from core.priors.catalog import CATALOG
from core.priors.hashing import file_sha256
from core.priors.spec import PriorSpec, ScheduleSpec, what_is_wrong

_WEIGHTS_NAMES = ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin")
_BETA_KINDS = {"linear": "linear", "scaled_linear": "scaled_linear", "squaredcos_cap_v2": "cosine"}
_VARIANCES: dict[str, Literal["fixed_small", "fixed_large", "learned_range"]] = {
    "fixed_small": "fixed_small",
    "fixed_small_log": "fixed_small",  # the same number, computed through its logarithm
    "fixed_large": "fixed_large",
    "learned_range": "learned_range",
}
_ADVICE = "Only unconditional UNet2DModel pipelines with a discrete schedule (DDPM, DDIM and the like) are read."
_SCHEDULE: TypeAdapter[ScheduleSpec] = TypeAdapter(ScheduleSpec)


def is_diffusers_folder(folder: Path) -> bool:
    """Whether a folder has a diffusers network's description in one of the two layouts."""
    return any((folder / part / "config.json").is_file() for part in ("unet", "."))


def network_folder(folder: Path) -> Path:
    """Where the network's config.json and weights lie: `unet`, or the folder itself."""
    return folder / "unet" if (folder / "unet" / "config.json").is_file() else folder


def weights_path(folder: Path) -> Path:
    """The network's weights: safetensors where there are both.

    Raises:
        WeightsRejectedError: there are none.
    """
    for name in _WEIGHTS_NAMES:
        if (network_folder(folder) / name).is_file():
            return network_folder(folder) / name
    raise WeightsRejectedError(
        f"{network_folder(folder)} has none of {', '.join(_WEIGHTS_NAMES)}.", "Fetch the whole folder again."
    )


def describe_diffusers_folder(folder: Path) -> PriorSpec:
    """The description of a published folder; its weights are hashed, not read.

    Raises:
        PriorError: a description is missing or broken, or says something that is not supported.
        WeightsRejectedError: it has no weights.
    """
    network = _read_json(network_folder(folder) / "config.json")
    scheduler = _read_json(_scheduler_path(folder))
    _check_network(network)
    known = CATALOG.get(folder.name)
    channels = int(network.get("out_channels", 3))
    try:
        return PriorSpec(
            name=folder.name,
            network=network,
            prediction=scheduler.get("prediction_type", "epsilon"),
            variance=_variance_of(scheduler, channels),
            schedule=schedule_of_scheduler(scheduler),
            resolution=network["sample_size"],
            category=known.category if known else "unknown",
            licence=known.licence if known else _licence_of(folder),
            commercial_use=known.commercial_use if known else False,
            source=known.page if known else "",
            sha256=file_sha256(weights_path(folder)),
        )
    except ValidationError as error:
        raise PriorError(f"The pipeline in {folder} cannot be used: {what_is_wrong(error)}.", _ADVICE) from error


def schedule_of_scheduler(config: dict[str, Any]) -> ScheduleSpec:
    """The noise schedule in a scheduler_config.json, with diffusers' defaults where it says nothing.

    Raises:
        PriorError: a schedule that is not supported.
    """
    name = str(config.get("_class_name", "DDPMScheduler"))
    if re.search(r"Sde|EDM|FlowMatch|ConsistencyModels|Karras", name):
        raise PriorError(f"The scheduler {name} has no discrete variance-preserving schedule.", _ADVICE)
    if config.get("rescale_betas_zero_snr"):
        raise PriorError("The schedule ends at zero signal (rescale_betas_zero_snr), where ε says nothing.", _ADVICE)
    steps = config.get("num_train_timesteps", 1000)
    values: dict[str, Any]
    if config.get("trained_betas") is not None:
        values = {"kind": "betas", "betas": config["trained_betas"]}
    elif (named := str(config.get("beta_schedule", "linear"))) not in _BETA_KINDS:
        raise PriorError(f"The beta schedule {named!r} is unknown.", _ADVICE)
    else:
        values = {"kind": _BETA_KINDS[named], "steps": steps}
    if values["kind"] in ("linear", "scaled_linear"):
        values |= {"beta_start": config.get("beta_start", 1e-4), "beta_end": config.get("beta_end", 0.02)}
    try:
        return _SCHEDULE.validate_python(values)
    except ValidationError as error:
        raise PriorError(
            f"The schedule in scheduler_config.json is not valid: {what_is_wrong(error)}.", _ADVICE
        ) from error


def _variance_of(config: dict[str, Any], channels: int) -> Literal["fixed_small", "fixed_large", "learned_range"]:
    # Schedulers without the choice (DDIM) leave it to the network's channels.
    named = str(config.get("variance_type", "learned_range" if channels == 6 else "fixed_small"))
    if named not in _VARIANCES:
        raise PriorError(f"The variance type {named!r} is not supported.", _ADVICE)
    variance = _VARIANCES[named]
    if (variance == "learned_range") != (channels == 6):
        raise PriorError(f"The variance type {named!r} does not go with {channels} output channels.", _ADVICE)
    return variance


def _check_network(network: dict[str, Any]) -> None:
    if network.get("_class_name", "UNet2DModel") != "UNet2DModel":
        raise PriorError(f"The network is a {network['_class_name']}.", _ADVICE)
    if network.get("class_embed_type") is not None or network.get("num_class_embeds") is not None:
        raise PriorError("The network is class-conditional.", _ADVICE)
    if network.get("in_channels", 3) != 3 or network.get("out_channels", 3) not in (3, 6):
        raise PriorError("The network does not work on pixels in colour: 3 channels in, 3 or 6 out.", _ADVICE)
    if not isinstance(network.get("sample_size"), int):
        raise PriorError("The network's config.json names no image size.", _ADVICE)


def _scheduler_path(folder: Path) -> Path:
    nested = folder / "scheduler" / "scheduler_config.json"
    return nested if nested.is_file() else folder / "scheduler_config.json"


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise PriorError(f"{path} is missing or not readable: {error}", "Fetch the whole folder again.") from error
    if not isinstance(content, dict):
        raise PriorError(f"{path} is not a description of a model.", "Fetch the whole folder again.")
    return content


def _licence_of(folder: Path) -> str:
    """What the model card's header names, e.g. "apache-2.0 (by its model card)"."""
    try:
        card = (folder / "README.md").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "unknown"
    match = re.search(r"\A---\n(?:.*\n)*?license: *(\S+)", card)
    return f"{match.group(1)} (by its model card)" if match else "unknown"

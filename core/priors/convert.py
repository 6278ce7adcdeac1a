"""A guided-diffusion checkpoint file → a prior folder."""

import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from core.domain.errors import PriorError, WeightsRejectedError
from core.imaging.files import check_writable, make_folder, output_error, write_atomically
from core.priors.adm import convert_state, network_config, read_layout, resolution_of
from core.priors.diffusers_unet import build_network
from core.priors.spec import WEIGHTS_FILE, CosineScheduleSpec, LinearScheduleSpec, PriorSpec, write_spec
from core.priors.weights import weights_bytes

_WRAPPERS = ("ema", "ema_state_dict", "state_dict", "model", "model_state_dict")
"""Where trainers put the weights beside other things; averaged ones first, since they are the better prior."""

_LARGEST_HALF = torch.finfo(torch.float16).max


def read_pt(path: Path) -> dict[str, Tensor]:
    """Read a `.pt` state dict, bare or wrapped as trainers do; nothing in the file is executed.

    Raises:
        WeightsRejectedError: not such a file, or what should be the weights holds anything but tensors.
    """
    advice = "Only plain state dicts are read; code inside a checkpoint is never run."
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise WeightsRejectedError(f"{path} does not exist.", "Check the name.") from error
    except Exception as error:  # a hostile or damaged pickle can make the reader fail in any way
        raise WeightsRejectedError(f"{path.name} is not a checkpoint that is safe to read.", advice) from error
    if isinstance(content, dict):
        content = next((content[name] for name in _WRAPPERS if isinstance(content.get(name), dict)), content)
    if not isinstance(content, dict) or not content or not all(isinstance(value, Tensor) for value in content.values()):
        raise WeightsRejectedError(f"{path.name} holds something other than tensors.", advice)
    # Training on several GPUs prefixes every name.
    prefix = "module." if all(str(key).startswith("module.") for key in content) else ""
    return {str(key).removeprefix(prefix): value for key, value in content.items()}


def convert_adm(
    path: Path,
    folder: Path,
    *,
    name: str,
    resolution: int | None = None,
    head_channels: int | None = None,
    new_attention_order: bool = False,
    dropout: float = 0.0,
    noise_schedule: Literal["linear", "cosine"] = "linear",
    steps: int = 1000,
    category: str = "faces",
    licence: str = "unknown",
    source: str = "",
    half: bool = True,
) -> PriorSpec:
    """Convert a guided-diffusion checkpoint; the folder appears whole or not at all.

    Args:
        path: the `.pt` file.
        folder: must not exist yet; those above it are made where absent.
        name: of the prior.
        resolution: in pixels; None: what guided-diffusion pairs with the network's multipliers.
        head_channels: channels of one attention head; None: one head.
        new_attention_order: as guided-diffusion's option of that name.
        dropout: while tuning; the FFHQ release uses 0.1.
        noise_schedule: guided-diffusion's, scaled to `steps`.
        steps: T.
        category: what it is a prior of.
        licence: of the weights.
        source: where they come from.
        half: store half precision.

    Returns:
        The prior's description.

    Raises:
        WeightsRejectedError: the file is not such a network, or not finite, or too large for half precision.
        PriorError: its resolution must be given, an option is out of range, or the folder exists.
        OutputError: the folder cannot be written.
    """
    if folder.exists():
        raise PriorError(f"{folder} exists already.", "Choose another folder with -o.")
    _check_options(resolution, head_channels, dropout, noise_schedule, steps)
    make_folder(folder.parent)
    check_writable(folder)
    state = read_pt(path)
    layout = read_layout(state)
    side = resolution or resolution_of(layout)
    if side is None:
        raise PriorError(f"The image size of {path.name} cannot be told from its network.", "Give --resolution.")
    if side % 2 ** (layout.levels - 1):
        raise PriorError(
            f"The image size is {side} pixels, but this network takes multiples of {2 ** (layout.levels - 1)}.",
            "Check --resolution.",
        )
    converted = convert_state(state, layout, head_channels, new_attention_order)
    if not all(bool(torch.isfinite(tensor).all()) for tensor in converted.values()):
        raise WeightsRejectedError(f"{path.name} holds values that are not finite.", "The file is damaged.")
    if half and any(float(tensor.abs().max()) > _LARGEST_HALF for tensor in converted.values()):
        raise WeightsRejectedError(f"{path.name} holds values too large for half precision.", "Convert it with --full.")
    weights = weights_bytes(converted, dtype=torch.float16 if half else torch.float32)
    # guided-diffusion keeps the linear schedule's total when T is not 1,000.
    linear = LinearScheduleSpec(steps=steps, beta_start=1e-4 * 1000 / steps, beta_end=0.02 * 1000 / steps)
    spec = PriorSpec(
        name=name,
        network=network_config(layout, side, head_channels, dropout),
        variance="learned_range" if layout.out_channels == 6 else "fixed_large",
        schedule=linear if noise_schedule == "linear" else CosineScheduleSpec(steps=steps),
        resolution=side,
        category=category,
        licence=licence,
        source=source,
        sha256=hashlib.sha256(weights).hexdigest(),
    )
    _check_fits(spec, converted)
    _write_folder(folder, spec, weights)
    return spec


def _check_options(
    resolution: int | None, head_channels: int | None, dropout: float, noise_schedule: str, steps: int
) -> None:
    fewest = 21 if noise_schedule == "linear" else 2  # with fewer, guided-diffusion's last beta reaches 1
    for name, value, right, allowed in (
        ("resolution", resolution, resolution is None or 8 <= resolution <= 2048, "8 to 2048"),
        ("head-channels", head_channels, head_channels is None or head_channels >= 1, "at least 1"),
        ("dropout", dropout, 0 <= dropout <= 1, "0 to 1"),
        ("steps", steps, fewest <= steps <= 10_000, f"{fewest} to 10000 with a {noise_schedule} schedule"),
    ):
        if not right:
            raise PriorError(f"--{name} is {value}, allowed is {allowed}.", "Correct it, and convert again.")


def _check_fits(spec: PriorSpec, converted: dict[str, Tensor]) -> None:
    with torch.device("meta"):
        network = build_network(spec)
    expected = {key: value.shape for key, value in network.state_dict().items()}
    wrong = {
        key
        for key in expected.keys() | converted.keys()
        if expected.get(key) != getattr(converted.get(key), "shape", 0)
    }
    if wrong:
        raise WeightsRejectedError(
            f"The checkpoint does not fit the network it describes: {min(wrong)!r} and {len(wrong) - 1} more differ.",
            "Only unconditional guided-diffusion networks with residual up- and downsampling are read.",
        )


def _write_folder(folder: Path, spec: PriorSpec, weights: bytes) -> None:
    try:
        temporary = Path(tempfile.mkdtemp(prefix=".heirloom-", dir=folder.parent))
    except OSError as error:
        raise output_error(error, folder) from error
    try:
        write_atomically(temporary / WEIGHTS_FILE, weights)
        write_spec(temporary, spec)
        text = f"# Prior {spec.name}\n\nConverted from guided-diffusion. {spec.source}\n\nLicence: {spec.licence}\n"
        write_atomically(temporary / "README.md", text.encode())
        temporary.chmod(0o755)
        temporary.rename(folder)
    except OSError as error:
        raise output_error(error, folder) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)

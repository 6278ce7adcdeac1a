"""`prior.json`: what a prior folder says about its weights. Torch-free, so that the web side can read it."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.domain.errors import PriorError, PriorUnavailableError
from core.imaging.files import write_atomically

PRIOR_FILE = "prior.json"
WEIGHTS_FILE = "model.safetensors"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LinearScheduleSpec(_Frozen):
    """β linear from start to end; `scaled_linear` is linear in √β."""

    kind: Literal["linear", "scaled_linear"] = "linear"
    steps: Annotated[int, Field(ge=2, le=10_000)] = 1000
    beta_start: Annotated[float, Field(gt=0, lt=1)] = 1e-4
    beta_end: Annotated[float, Field(gt=0, lt=1)] = 0.02


class CosineScheduleSpec(_Frozen):
    """ᾱ follows a squared cosine."""

    kind: Literal["cosine"] = "cosine"
    steps: Annotated[int, Field(ge=2, le=10_000)] = 1000


class BetasScheduleSpec(_Frozen):
    """The prior's own list of betas."""

    kind: Literal["betas"] = "betas"
    betas: Annotated[tuple[float, ...], Field(min_length=2, max_length=10_000)]


ScheduleSpec = Annotated[
    LinearScheduleSpec | CosineScheduleSpec | BetasScheduleSpec,
    Field(discriminator="kind"),
]


class PriorSpec(_Frozen):
    """One prior.

    Attributes:
        network: the arguments of diffusers' `UNet2DModel`.
        pixel_unshuffle: the network sees the image through this factor (1: as it is).
        prediction: what the network estimates.
        variance: where the reverse step's variance comes from.
        resolution: side of the square image in pixels.
        category: what it is a prior of, e.g. faces, cats.
        licence: of the weights, in words a user can act on.
        commercial_use: whether that licence allows it.
        sha256: of the weights file; what subject checkpoints refer to.
    """

    format: Literal["heirloom-prior/1"] = "heirloom-prior/1"
    name: str
    family: Literal["unet2d"] = "unet2d"
    network: dict[str, Any]
    pixel_unshuffle: Annotated[int, Field(ge=1, le=8)] = 1
    prediction: Literal["epsilon", "v_prediction", "sample"] = "epsilon"
    variance: Literal["fixed_small", "fixed_large", "learned_range"] = "fixed_small"
    schedule: ScheduleSpec = LinearScheduleSpec()
    resolution: Annotated[int, Field(ge=8, le=2048)]
    category: str = "faces"
    licence: str = "unknown"
    commercial_use: bool = False
    source: str = ""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

    @property
    def noise_steps(self) -> int:
        """T: how many steps its noise schedule has."""
        schedule = self.schedule
        return len(schedule.betas) if isinstance(schedule, BetasScheduleSpec) else schedule.steps


def read_spec(folder: Path) -> PriorSpec:
    """Read and check a folder's `prior.json`, or describe a folder as diffusers publishes them (hashes its weights).

    Raises:
        PriorUnavailableError: there is neither.
        PriorError: it is not a valid one.
        WeightsRejectedError: a published folder without weights.
    """
    path = folder / PRIOR_FILE
    if not path.is_file():
        from core.priors.diffusers_config import describe_diffusers_folder, is_diffusers_folder  # it needs this module

        if is_diffusers_folder(folder):
            return describe_diffusers_folder(folder)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise PriorUnavailableError(
            f"There is no prior in {folder}.",
            "`heirloom models list` shows what is here; `heirloom models pull NAME` fetches one.",
        ) from error
    except ValueError as error:  # not UTF-8
        raise _invalid(path, "it is not text") from error
    try:
        return PriorSpec.model_validate(json.loads(text))
    except ValidationError as error:
        raise _invalid(path, what_is_wrong(error)) from error
    except (ValueError, RecursionError) as error:
        raise _invalid(path, "it is not JSON") from error


def _invalid(path: Path, problem: str) -> PriorError:
    return PriorError(f"{path} is not a valid prior description: {problem}.", "Convert or pull the prior again.")


def what_is_wrong(error: ValidationError) -> str:
    """Pydantic's findings in one line, e.g. "resolution: Input should be greater than or equal to 8"."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, problem['loc'])) or 'content'}: {problem['msg']}" for problem in found)


def write_spec(folder: Path, spec: PriorSpec) -> None:
    """Write `prior.json`, readable by people.

    Raises:
        OutputError: it cannot be written; an old one still stands.
    """
    text = json.dumps(spec.model_dump(mode="json"), indent=1, ensure_ascii=False)
    write_atomically(folder / PRIOR_FILE, f"{text}\n".encode())

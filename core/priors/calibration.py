"""What a prior finds in noised *clean* pictures: `calibration.json` beside its weights, from `models calibrate`.

Torch-free, so that the web side can tell whether a prior has one.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.domain.errors import PriorError, PriorUncalibratedError
from core.imaging.files import write_atomically
from core.priors.spec import PriorSpec, what_is_wrong

CALIBRATION_FILE = "calibration.json"

LEAST_SPREAD = 0.05
"""A difference of five per cent in power counts as one of clean pictures' own, however alike those are. Without it a
photo would be hidden until a millionth of its noise could be told: true to the letter of equation 4, and far beyond
what a prior minds."""

BEYOND_SHARE = 0.05
"""How many of the clean pictures are beyond the limit of any rung."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Rung(_Frozen):
    """Clean pictures, noised to one timestep.

    Attributes:
        t: the timestep; a restoration with K = t + 1 steps starts there.
        mean: of each finding (`core.priors.findings`) over the pictures.
        spread: its standard deviation, `LEAST_SPREAD` included.
        limit: the departure that clean pictures stay within, all but `BEYOND_SHARE` of them at every rung.
    """

    t: Annotated[int, Field(ge=0)]
    mean: tuple[float, ...]
    spread: tuple[Annotated[float, Field(gt=0)], ...]
    limit: Annotated[float, Field(gt=0)]

    def departures(self, findings: np.ndarray, detail: int) -> np.ndarray:
        """How far a picture is from clean ones, in their standard deviations: more noise, or less detail.

        Less noise and more detail are no damage: a smooth wall, a sharper photo than those.

        Args:
            findings: [F] of `core.priors.findings.find`.
            detail: how many of them, the last ones, are of detail.
        """
        z = (findings - np.array(self.mean)) / np.array(self.spread)
        z[len(z) - detail :] *= -1.0
        return np.asarray(z)


class Calibration(_Frozen):
    """One prior's rungs.

    Attributes:
        prior_sha256: of the weights it was measured with; it says nothing about others.
        pictures: how many clean ones.
        source: what they were, in words.
        names: of the findings, in the rungs' order.
        detail: how many of them, the last ones, are of detail.
        rungs: by rising t.
    """

    format: Literal["heirloom-calibration/1"] = "heirloom-calibration/1"
    prior_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    pictures: Annotated[int, Field(ge=2)]
    source: str = ""
    names: tuple[str, ...]
    detail: Annotated[int, Field(ge=1)]
    rungs: Annotated[tuple[Rung, ...], Field(min_length=1, max_length=64)]


def rungs_of(steps: Sequence[int], findings: np.ndarray, detail: int) -> tuple[Rung, ...]:
    """What clean pictures are like at every timestep.

    Args:
        steps: the timesteps, rising.
        findings: [N, len(steps), F] of N ≥ 2 pictures.
        detail: how many of the F, the last ones, are of detail.
    """
    spread = np.hypot(findings.std(axis=0, ddof=1), LEAST_SPREAD)
    rungs = [
        Rung(t=t, mean=tuple(findings[:, place].mean(axis=0)), spread=tuple(spread[place]), limit=1.0)
        for place, t in enumerate(steps)
    ]
    largest = np.array(
        [[rung.departures(one[place], detail).max() for place, rung in enumerate(rungs)] for one in findings]
    )
    limits = np.maximum(1.0, np.quantile(largest, 1.0 - BEYOND_SHARE, axis=0))
    # Each picture has a chance at every rung; all limits are moved up together until the share holds for the whole.
    limits *= max(1.0, float(np.quantile((largest / limits).max(axis=1), 1.0 - BEYOND_SHARE)))
    return tuple(rung.model_copy(update={"limit": float(limit)}) for rung, limit in zip(rungs, limits, strict=True))


def read_calibration(folder: Path, spec: PriorSpec) -> Calibration | None:
    """The calibration of a prior, or None where it has none, or one of other weights.

    Args:
        folder: the prior's.
        spec: the prior's.

    Raises:
        PriorError: there is one that cannot be read.
    """
    path = folder / CALIBRATION_FILE
    try:
        calibration = Calibration.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise _invalid(path, what_is_wrong(error)) from error
    except (OSError, ValueError, RecursionError) as error:
        raise _invalid(path, "it is not JSON") from error
    if calibration.prior_sha256 != spec.sha256:
        return None
    if problem := _contradiction(calibration, spec):
        raise _invalid(path, problem)
    return calibration


def uncalibrated(name: str) -> PriorUncalibratedError:
    """The error where K is to follow from the photo, and the prior has no calibration.

    Args:
        name: the prior's.
    """
    return PriorUncalibratedError(
        f"The prior {name!r} cannot choose K by the photo: it has no calibration.",
        f"`heirloom models calibrate {name} PHOTOS` makes one from clean photos; or set K yourself.",
    )


def _contradiction(calibration: Calibration, spec: PriorSpec) -> str:
    """What the types alone do not see; empty where all is well."""
    steps: Sequence[int] = [rung.t for rung in calibration.rungs]
    sizes = {len(rung.mean) for rung in calibration.rungs} | {len(rung.spread) for rung in calibration.rungs}
    if list(steps) != sorted(set(steps)) or steps[-1] >= spec.noise_steps:
        return "its timesteps do not rise within the prior's schedule"
    if sizes != {len(calibration.names)} or calibration.detail > len(calibration.names):
        return "its rungs have not one number for each name"
    return ""


def _invalid(path: Path, problem: str) -> PriorError:
    return PriorError(f"{path} is not a valid calibration: {problem}.", "Make it again: `heirloom models calibrate`.")


def write_calibration(folder: Path, calibration: Calibration) -> None:
    """Write `calibration.json`, a rung a line.

    Raises:
        OutputError: it cannot be written.
    """
    values = calibration.model_dump(mode="json")
    rungs = ",\n  ".join(json.dumps(_rounded(rung)) for rung in values.pop("rungs"))
    head = json.dumps(values, indent=1, ensure_ascii=False).removesuffix("\n}")
    write_atomically(folder / CALIBRATION_FILE, f'{head},\n "rungs": [\n  {rungs}\n ]\n}}\n'.encode())


def _rounded(rung: dict[str, float | list[float]]) -> dict[str, float | list[float]]:
    """To what 128 pictures can tell, so that the file can be read."""
    return {
        key: [round(one, 4) for one in value] if isinstance(value, list) else round(value, 4)
        for key, value in rung.items()
    }

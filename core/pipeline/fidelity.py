"""K by the photo: the smallest K at which the noised photo looks to the prior like a noised clean one (equation 4).

Ours, not the paper's, which takes K = 200 for every photo. It is explained in docs/how-to/fidelity.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.priors.base import Prior
from core.priors.calibration import Calibration, uncalibrated
from core.priors.findings import find


@dataclass(frozen=True)
class Look:
    """How a photo looks to the prior under the noise of one K.

    Attributes:
        noise_steps: K.
        noise_level: the noise's deviation beside a photo in [−1, 1].
        departure: how far from clean photos, in their standard deviations; negative: cleaner than most.
        limit: what 95 % of clean photos stay below.
        because: the finding that is furthest off, e.g. "detail up to 1/2".
    """

    noise_steps: int
    noise_level: float
    departure: float
    limit: float
    because: str

    @property
    def clean(self) -> bool:
        """Whether it looks like a clean photo here."""
        return self.departure <= self.limit


@dataclass(frozen=True)
class Fidelity:
    """Which K a photo needs, and why.

    Attributes:
        noise_steps: the K chosen.
        looks: by rising K.
        because: what asked for this K, e.g. "detail up to 1/2"; empty where the photo looks clean from the start.
    """

    noise_steps: int
    looks: tuple[Look, ...]
    because: str

    def as_json(self) -> dict[str, Any]:
        """For `--json` and reports."""
        looks = [
            {
                "noise_steps": look.noise_steps,
                "departure": round(look.departure, 3),
                "limit": round(look.limit, 3),
                "because": look.because,
            }
            for look in self.looks
        ]
        return {"noise_steps": self.noise_steps, "because": self.because, "looks": looks}


def choose_noise_steps(prior: Prior, crop: np.ndarray, most: int) -> int:
    """The K that a face needs; the same photo always gets the same.

    Ten network calls at most. Which device computes may move K by a step.

    Args:
        prior: the untouched one, never one that a checkpoint constrains: the calibration is of its weights.
        crop: the face at the prior's resolution, [R, R, 3] uint8.
        most: K is not larger.

    Returns:
        K, 1 … `most`.

    Raises:
        PriorUncalibratedError: nobody has measured how clean photos look to this prior.
    """
    return explain_noise_steps(prior, crop, most).noise_steps


def smallest_noise_steps(prior: Prior) -> int | None:
    """The K of a face that looks clean from the start; None without a calibration."""
    return None if prior.calibration is None else prior.calibration.rungs[0].t + 1


def explain_noise_steps(prior: Prior, crop: np.ndarray, most: int) -> Fidelity:
    """The same with its reasons; arguments and errors as for `choose_noise_steps`."""
    if prior.calibration is None:
        raise uncalibrated(prior.spec.name)
    looks = tuple(_looks(prior, crop, prior.calibration))
    first = _first_clean(looks)
    if first == 0:
        steps, because = looks[0].noise_steps, ""
    elif first is None:
        steps, because = looks[-1].noise_steps, looks[-1].because
    else:
        steps, because = _between(prior, looks[first - 1], looks[first]), looks[first - 1].because
    return Fidelity(max(1, min(steps, most)), looks, because)


def _first_clean(looks: Sequence[Look]) -> int | None:
    """The first look that is clean, and not by chance: the next one is, too. None where there is none."""
    for place, (look, following) in enumerate(zip(looks, [*looks[1:], looks[-1]], strict=True)):
        if look.clean and following.clean:
            return place
    return None


def _looks(prior: Prior, crop: np.ndarray, calibration: Calibration) -> list[Look]:
    looks = []
    for rung in calibration.rungs:
        departures = rung.departures(find(prior, crop, rung.t), calibration.detail)
        worst = int(departures.argmax())
        level = float(prior.schedule.relative_spread[rung.t])
        looks.append(Look(rung.t + 1, level, float(departures[worst]), rung.limit, calibration.names[worst]))
    return looks


def _between(prior: Prior, dirty: Look, clean: Look) -> int:
    """K where the photo crosses the limit between two rungs: straight in the logarithm of the noise's deviation."""
    over, under = max(0.0, dirty.departure - dirty.limit), clean.limit - clean.departure
    share = over / (over + under) if over else 0.0  # the look before may be clean itself, with a dirty one before it
    level = dirty.noise_level * (clean.noise_level / dirty.noise_level) ** share
    steps = int((prior.schedule.relative_spread < level).sum()) + 1
    return max(dirty.noise_steps, min(steps, clean.noise_steps))

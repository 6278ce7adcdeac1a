"""A prior's calibration, measured on clean pictures that it was not trained on."""

from collections.abc import Callable

import numpy as np

from core.domain.errors import AlbumTooSmallError, PriorError
from core.priors.base import Prior
from core.priors.calibration import Calibration, rungs_of
from core.priors.findings import find, finding_names, octaves_of

FEWEST_PICTURES = 20
"""Of fewer the share beyond a limit says nothing."""

NOISE_LEVELS = (0.05, 0.075, 0.11, 0.17, 0.25, 0.38, 0.57, 0.85, 1.3, 1.9)
"""The rungs, by the noise's deviation beside a picture in [−1, 1]: √(1 − ᾱ_t) / √ᾱ_t. Each has one and a half times the
noise of the one before; ten network calls a photo. In a linear schedule of 1,000 steps t is 11 … 391."""


def ladder(prior: Prior) -> tuple[int, ...]:
    """The timesteps at which the noise reaches `NOISE_LEVELS`, rising, each once."""
    spread = prior.schedule.relative_spread
    return tuple(sorted({min(int((spread < level).sum()), len(spread) - 1) for level in NOISE_LEVELS}))


def calibrate(
    prior: Prior, pictures: np.ndarray, source: str = "", on_picture: Callable[[int], None] = lambda _: None
) -> Calibration:
    """Measure what the prior finds in clean pictures at every rung.

    Args:
        prior: on its device, untouched by tuning.
        pictures: [N, R, R, 3] uint8, clean, and held out of its training.
        source: what they are, in words.
        on_picture: told how many are done; may raise to stop.

    Raises:
        AlbumTooSmallError: fewer than `FEWEST_PICTURES`.
        PriorError: its estimates are not numbers.
    """
    if len(pictures) < FEWEST_PICTURES:
        raise AlbumTooSmallError(
            f"{len(pictures)} pictures are too few to calibrate on.", f"Name at least {FEWEST_PICTURES} clean ones."
        )
    steps = ladder(prior)
    found = []
    for number, picture in enumerate(pictures):
        found.append([find(prior, picture, t) for t in steps])
        on_picture(number + 1)
    findings = np.array(found)  # [N, rungs, F]
    if not np.isfinite(findings).all():
        raise PriorError(
            f"The prior {prior.spec.name!r} computes values that are not finite numbers.", "Its weights are unusable."
        )
    resolution = prior.spec.resolution
    detail = octaves_of(resolution)[0]
    return Calibration(
        prior_sha256=prior.spec.sha256,
        pictures=len(pictures),
        source=source,
        names=finding_names(resolution),
        detail=detail,
        rungs=rungs_of(steps, findings, detail),
    )

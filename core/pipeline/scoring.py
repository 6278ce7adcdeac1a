"""Held-out photos score a tuning: degraded on purpose, restored with the weights of a step, compared with the truth.

The guard against overfitting: a tuning that learns its anchors by heart restores photos that it never saw worse.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from core.imaging.degrade import degrade
from core.imaging.embedding import embed_aligned, identity
from core.pipeline.quality import psnr
from core.pipeline.restore import restore_batch
from core.priors.base import Prior
from core.recipes.schema import RestoreRecipe

IDENTITY_PER_DECIBEL = 0.02
"""What a decibel counts beside identity when steps are compared, see `ScoredStep.rank`."""

_MOST_DECIBELS = 99.0
"""Of equal pictures, whose ratio is infinite: JSON has no infinity."""

_NOISE_SEED = 0
"""All steps of all tunings restore from the same noise: what differs between two scores is the weights."""


@dataclass(frozen=True)
class ScoredStep:
    """How well held-out photos were restored with the weights of one step.

    Attributes:
        step: iterations done; 0 is the prior before tuning.
        identity: mean over restored photos and clean held-out ones, see core.imaging.embedding.identity; None where the
            album is of nobody.
        psnr: mean to the clean photos, in dB.
    """

    step: int
    identity: float | None
    psnr: float

    @property
    def rank(self) -> float:
        """The higher, the better: identity plus 0.02 for each decibel.

        Identity comes first, being what a person looks for and what tuning on their album is to bring. Between steps it
        differs by some hundredths, PSNR by less than a decibel. PSNR decides between steps whose identity is the same
        within its own noise, which is one or two hundredths (docs/reference/measurements.md). A sum, unlike "first,
        then", puts any steps into one order, so that one copy of the weights, the best so far, is enough.
        """
        return (self.identity or 0.0) + IDENTITY_PER_DECIBEL * self.psnr

    def as_json(self) -> dict[str, Any]:
        """As checkpoints and reports hold it."""
        identity = None if self.identity is None else round(self.identity, 4)
        return {"step": self.step, "identity": identity, "psnr": round(self.psnr, 3)}


class Scorer:
    """Of one tuning. It draws nothing from global generators and leaves the network's mode as it was."""

    def __init__(
        self, held_out: Sequence[np.ndarray], noise_steps: int, sampler_steps: int, batch: int, person: bool = True
    ) -> None:
        """Degrade the photos, each in its own way, always the same one.

        Args:
            held_out: clean crops at the prior's resolution, each [R, R, 3] uint8; at least one. None of them is tuned
                on.
            noise_steps: K, the restorations' to come.
            sampler_steps: network calls of a restoration; few, since it is repeated.
            batch: photos restored at once: as many as are tuned on at once, which need more memory.
            person: False where there is no identity to compare.
        """
        self._clean = list(held_out)
        self._names = [hashlib.sha256(crop.tobytes()).hexdigest() for crop in held_out]
        self._bad = [
            degrade(crop, "mix", np.random.default_rng(int(name[:16], 16)))
            for crop, name in zip(held_out, self._names, strict=True)
        ]
        self._known = [embed_aligned(crop) for crop in held_out] if person else []
        self._recipe = RestoreRecipe(noise_steps=noise_steps, sampler="dpm-solver++", sampler_steps=sampler_steps)
        self._batch = batch

    def __call__(self, prior: Prior, step: int, on_call: Callable[[], None]) -> ScoredStep:
        """Score the weights that a prior has now.

        Args:
            prior: tuned so far.
            step: iterations done.
            on_call: after each network call; may raise to stop.
        """
        restored: list[np.ndarray] = []
        for begin in range(0, len(self._bad), self._batch):
            part = slice(begin, begin + self._batch)
            photos, names = self._bad[part], self._names[part]
            with torch.no_grad():
                restored += restore_batch(
                    prior,
                    photos,
                    self._recipe,
                    [_NOISE_SEED] * len(photos),
                    names,
                    [0] * len(photos),
                    on_step=lambda *_: on_call(),
                )
        likeness = [identity(embed_aligned(image), known) for image in restored for known in self._known]
        decibels = [min(_MOST_DECIBELS, psnr(*pair)) for pair in zip(restored, self._clean, strict=True)]
        return ScoredStep(step, float(np.mean(likeness)) if likeness else None, float(np.mean(decibels)))


def scored_steps(iterations: int, scorings: int) -> tuple[int, ...]:
    """After which iterations a tuning is scored: before the first, then evenly up to the last.

    Args:
        iterations: of the tuning.
        scorings: how often, beside the one before it; 0: never.
    """
    if not scorings:
        return ()
    return tuple(sorted({0, *(max(1, round(part * iterations / scorings)) for part in range(1, scorings + 1))}))

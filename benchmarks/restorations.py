"""Restoring for a benchmark: the product's own plan and run, one artifact store, scores against truth or album."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from core.domain.errors import InvalidRecipeError
from core.imaging.embedding import embed_aligned, identity
from core.imaging.sharpness import sharpness
from core.pipeline.folder_store import FolderStore
from core.pipeline.plan import plan
from core.pipeline.ports import Ports
from core.pipeline.quality import denoising_residual, psnr, ssim
from core.pipeline.request import FaceResult, Photo, RestoreRequest, TuneRequest
from core.pipeline.run import run
from core.priors.diffusers_unet import UNetPrior
from core.recipes.presets import preset
from core.recipes.schema import Recipe, override, with_noise_steps


@dataclass(frozen=True)
class Bench:
    """What every measurement uses.

    Attributes:
        prior: the one measured, on its device.
        shared: the folder of photos beside the checkout.
        output: folder for rows, sheets and the store; none of it may be published.
        seed: of all restorations.
        changes: numbers changed in every recipe, dotted name → value.
    """

    prior: UNetPrior
    shared: Path
    output: Path
    seed: int = 0
    changes: dict[str, str] = field(default_factory=dict)

    @property
    def store(self) -> FolderStore:
        """Albums and checkpoints made before are not made again, whatever K they are restored with.

        One for each precision: an artifact's hash says what it was made from, not how precisely.
        """
        return FolderStore(self.output / f"store-{self.prior_key}")

    @property
    def prior_key(self) -> str:
        """The prior's hash, short, and the precision where it is not float32, as rows name them."""
        precision = {None: "", torch.bfloat16: "+bf16"}[self.prior.autocast_dtype]
        return self.prior.spec.sha256[:12] + precision

    def recipe(self, name: str) -> Recipe:
        """A preset with the numbers changed that it has."""
        # The same K for every face, unless that is what is asked: what is compared is the recipe, not who needs it.
        recipe = with_noise_steps(preset(name).recipe, None, by_photo=False)
        if unknown := [key for key in self.changes if key.partition(".")[0] not in ("album", "finetune", "restore")]:
            raise InvalidRecipeError(f"A recipe has no {unknown[0]!r}.", "Name a number as restore.noise_steps=150.")
        fitting = {
            key: value
            for key, value in self.changes.items()
            if getattr(recipe, key.partition(".")[0], None) is not None
        }
        return override(recipe, fitting)

    def restore(
        self, photos: Sequence[Photo], recipe: Recipe, checkpoint: bytes | None = None, candidates: int = 1
    ) -> list[tuple[Photo, FaceResult]]:
        """Restore photos together; every one with its largest face.

        Raises:
            HeirloomError: a photo failed, or has no face; a benchmark has no use for a part.
        """
        request = RestoreRequest(tuple(photos), checkpoint, candidates=candidates, seed=self.seed)
        result = run(plan(request, recipe, self.prior.spec), request, recipe, self.prior, Ports(store=self.store))
        for one in result.photos:
            problem = one.error or next(iter(one.warnings), None)
            if problem is not None and not one.restored:
                raise problem
        return [(photo, one.faces[0]) for photo, one in zip(photos, result.photos, strict=True)]

    def tune(self, album: Sequence[Photo], recipe: Recipe) -> bytes:
        """A subject checkpoint from an album."""
        request = TuneRequest(tuple(album), seed=self.seed)
        result = run(plan(request, recipe, self.prior.spec), request, recipe, self.prior, Ports(store=self.store))
        if result.checkpoint is None:
            raise RuntimeError("a tune plan ended without a checkpoint")
        return result.checkpoint


def recipe_key(recipe: Recipe) -> str:
    """A recipe as rows name it: its preset and the hash of its numbers."""
    return f"{recipe.name}/{recipe.digest()[:8]}"


def against_truth(image: np.ndarray, truth: np.ndarray, prefix: str = "") -> dict[str, object]:
    """PSNR in dB, SSIM, identity and sharpness of an aligned face beside the clean one, both [S, S, 3] uint8."""
    return {
        f"{prefix}psnr": round(psnr(image, truth), 3),
        f"{prefix}ssim": round(ssim(image, truth), 4),
        f"{prefix}identity": round(identity_between(image, truth), 4),
        f"{prefix}sharpness": round(sharpness(image), 4),
    }


def without_truth(prior: UNetPrior, native: np.ndarray, image: np.ndarray, prefix: str = "") -> dict[str, object]:
    """Sharpness, and the prior's denoising residual of the picture at the prior's own resolution."""
    return {
        f"{prefix}sharpness": round(sharpness(image), 4),
        f"{prefix}residual": round(denoising_residual(prior, native), 4),
    }


def identity_between(image: np.ndarray, other: np.ndarray) -> float:
    """Identity of two aligned faces; the embedding of each picture is computed once."""
    return identity(_embedding(_Pixels(image)), _embedding(_Pixels(other)))


class _Pixels:
    """An array that can be a cache's key."""

    def __init__(self, image: np.ndarray) -> None:
        self.image = image
        self._digest = hashlib.sha256(image.tobytes()).digest()

    def __hash__(self) -> int:
        return hash(self._digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Pixels) and self._digest == other._digest


@lru_cache(maxsize=512)
def _embedding(pixels: _Pixels) -> np.ndarray:
    return embed_aligned(pixels.image)

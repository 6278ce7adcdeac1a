"""Restoration: noise the photo to step K, denoise it with the (constrained) prior (equations 1 and 2)."""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from core.diffusion.images import images_to_tensor, tensor_to_images
from core.diffusion.process import add_noise
from core.diffusion.seeds import NoiseStream, image_generator
from core.pipeline.sampling import sample
from core.priors.base import Prior, denoiser_of
from core.recipes.schema import RestoreRecipe


def restore_batch(
    prior: Prior,
    photos: Sequence[np.ndarray],
    recipe: RestoreRecipe,
    seeds: Sequence[int],
    photo_ids: Sequence[str],
    candidates: Sequence[int],
    *,
    on_step: Callable[[int, int], None],
) -> list[np.ndarray]:
    """Restore a batch of photos with one prior.

    Args:
        prior: tuned, or untouched in the direct mode.
        photos: N aligned crops at the prior's resolution, [R, R, 3] uint8.
        recipe: the restoration's numbers.
        seeds: N seeds, each photo's own.
        photo_ids: N content hashes: a photo's noise does not depend on its place in the batch.
        candidates: N candidate numbers; each number is another noise for the same photo.
        on_step: told (steps done, steps in all) after each network call; may raise to stop.

    Returns:
        N restored crops, [R, R, 3] uint8.
    """
    side = prior.spec.resolution
    generators = [
        image_generator(seed, "restore", photo_id, candidate)
        for seed, photo_id, candidate in zip(seeds, photo_ids, candidates, strict=True)
    ]
    noise = NoiseStream(generators, (3, side, side), prior.device)
    degraded = images_to_tensor(list(photos)).to(prior.device)
    t = torch.full((len(photos),), recipe.noise_steps - 1, dtype=torch.int64, device=prior.device)
    start = add_noise(degraded, noise(), t, prior.schedule)
    whole = recipe.noise_steps

    restored = sample(
        denoiser_of(prior), start, whole, noise, recipe, on_step=lambda left, _: on_step(whole - left, whole)
    )
    return tensor_to_images(restored)

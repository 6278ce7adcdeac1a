"""Restoration: noise the photo to step K, denoise it with the (constrained) prior (equations 1 and 2)."""

from collections.abc import Sequence

import numpy as np
import torch

from core.diffusion.images import images_to_tensor, tensor_to_images
from core.diffusion.process import add_noise
from core.diffusion.seeds import NoiseStream, image_generator
from core.pipeline.chain import LoadState, OnSteps, SaveState, run_chain
from core.priors.base import Prior
from core.recipes.schema import RestoreRecipe


def restore_batch(
    prior: Prior,
    photos: Sequence[np.ndarray],
    recipe: RestoreRecipe,
    seeds: Sequence[int],
    photo_ids: Sequence[str],
    candidates: Sequence[int],
    *,
    on_step: OnSteps,
    load_state: LoadState = lambda: None,
    save_state: SaveState = lambda _: None,
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
        load_state: the saved state of this batch's chain, or None.
        save_state: keeps the chain's state, see `run_chain`.

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
    restored = run_chain(
        prior,
        start,
        recipe.noise_steps,
        noise,
        recipe,
        on_step=on_step,
        load_state=load_state,
        save_state=save_state,
    )
    return tensor_to_images(restored)

"""The generative album: anchors sampled from the photo itself, pulled towards it at every n-th step."""

import numpy as np
import torch
from torch import Tensor

from core.diffusion.guidance import GuidanceNorm, SkipGuidance
from core.diffusion.images import image_to_tensor, tensor_to_images
from core.diffusion.process import add_noise
from core.diffusion.seeds import NoiseStream, image_generator
from core.pipeline.chain import LoadState, OnSteps, SaveState, run_chain
from core.priors.base import Prior
from core.recipes.schema import AlbumRecipe


def album_noise(prior: Prior, seed: int, photo_id: str, indices: range) -> NoiseStream:
    """One generator per album image, the same however the album is cut into batches.

    Args:
        prior: gives the image shape and the device.
        seed: the request's.
        photo_id: what distinguishes the photo from others of the request, its content hash.
        indices: which images of the album.
    """
    side = prior.spec.resolution
    return NoiseStream([image_generator(seed, "album", photo_id, i) for i in indices], (3, side, side), prior.device)


def sample_album(
    prior: Prior,
    photo: np.ndarray,
    recipe: AlbumRecipe,
    seed: int,
    photo_id: str,
    indices: range,
    *,
    on_step: OnSteps,
    load_state: LoadState,
    save_state: SaveState,
) -> list[np.ndarray]:
    """Sample one batch of anchors (paper, section 4.1; equation 6).

    Args:
        prior: untouched.
        photo: y_0 at the prior's resolution, [R, R, 3] uint8.
        recipe: the album's numbers.
        seed: the request's.
        photo_id: see `album_noise`.
        indices: which images of the album to make; one batch.
        on_step: told (steps done, K) after each network call; may raise to stop.
        load_state: the saved state of this batch's chain, or None.
        save_state: keeps the chain's state; called every ten seconds. Few-step chains have none: they start over.

    Returns:
        One [R, R, 3] uint8 image for each index.
    """
    noise = album_noise(prior, seed, photo_id, indices)
    degraded = image_to_tensor(photo).to(prior.device).expand(len(indices), -1, -1, -1).contiguous()
    guidance = SkipGuidance(
        degraded,
        recipe.guidance_scale,
        recipe.guidance_every,
        GuidanceNorm(recipe.guidance_norm),
        recipe.dense_guidance_steps,
    )
    return tensor_to_images(
        run_chain(
            prior,
            _start(prior, degraded, recipe, noise),
            recipe.start_steps,
            noise,
            recipe,
            on_step=on_step,
            load_state=load_state,
            save_state=save_state,
            guidance=guidance,
        )
    )


def _start(prior: Prior, degraded: Tensor, recipe: AlbumRecipe, noise: NoiseStream) -> Tensor:
    if recipe.start_from == "noise":
        return noise()
    t = torch.full((degraded.shape[0],), recipe.start_steps - 1, dtype=torch.int64, device=prior.device)
    return add_noise(degraded, noise(), t, prior.schedule)

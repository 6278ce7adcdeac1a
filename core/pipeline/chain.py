"""A chain of denoising steps that can be stopped and taken up again: the album's and the restoration's."""

import time
from collections.abc import Callable

import torch
from torch import Tensor

from core.diffusion.guidance import SkipGuidance
from core.diffusion.seeds import NoiseStream
from core.domain.errors import CancelledError
from core.pipeline.artifacts import pack, unpack
from core.pipeline.sampling import sample
from core.priors.base import Prior, denoiser_of
from core.recipes.schema import AlbumRecipe, RestoreRecipe

SAVE_EVERY_SECONDS = 10.0
OnSteps = Callable[[int, int], None]
LoadState = Callable[[], bytes | None]
SaveState = Callable[[bytes], None]


def run_chain(
    prior: Prior,
    start: Tensor,
    noise_steps: int,
    noise: NoiseStream,
    recipe: AlbumRecipe | RestoreRecipe,
    *,
    on_step: OnSteps,
    load_state: LoadState,
    save_state: SaveState,
    guidance: SkipGuidance | None = None,
) -> Tensor:
    """Denoise from K to the clean picture; an ancestral chain goes on where a saved state says.

    Args:
        prior: tuned or untouched.
        start: y_K or noise, [N, 3, R, R]; what `noise` drew for it is drawn already.
        noise_steps: K.
        noise: one generator an image.
        recipe: names the sampler.
        on_step: told (steps done, steps in all) after each network call; may raise to stop.
        load_state: the saved state of this chain, or None.
        save_state: keeps the chain's state; called every ten seconds, and when it is stopped. Few-step chains have
            none: they start over.
        guidance: pull towards the photo, or None.

    Returns:
        x_0, [N, 3, R, R].

    Raises:
        CancelledError: from `on_step`; the state is saved.
    """
    remaining, x = noise_steps, start
    resumable = recipe.sampler == "ancestral"
    if resumable and (state := load_state()) is not None:
        arrays, values = unpack(state)
        remaining, x = int(values["remaining"]), torch.from_numpy(arrays["x"]).to(prior.device)
        noise.load_state(torch.from_numpy(arrays["noise"]))
    saved_at = time.monotonic()

    def keep(left: int, current: Tensor) -> None:
        if resumable and left:
            save_state(pack({"x": current.cpu().numpy(), "noise": noise.state().numpy()}, {"remaining": left}))

    def after(left: int, current: Tensor) -> None:
        nonlocal saved_at
        try:
            on_step(noise_steps - left, noise_steps)
        except CancelledError:
            keep(left, current)
            raise
        if time.monotonic() - saved_at > SAVE_EVERY_SECONDS:
            keep(left, current)
            saved_at = time.monotonic()

    on_step(noise_steps - remaining, noise_steps)
    return sample(denoiser_of(prior), x, remaining, noise, recipe, guidance, after, chain_start=noise_steps)

"""From a recipe's sampler name to the sampler: the one place that both the album and the restoration choose at."""

from collections.abc import Callable
from functools import partial

from torch import Tensor

from core.diffusion.guidance import SkipGuidance
from core.diffusion.samplers import Denoiser, OnStep, sample_ancestral, sample_dpm_solver
from core.recipes.schema import AlbumRecipe, RestoreRecipe


def sample(
    denoiser: Denoiser,
    start: Tensor,
    noise_steps: int,
    noise: Callable[[], Tensor],
    recipe: AlbumRecipe | RestoreRecipe,
    guidance: SkipGuidance | None = None,
    on_step: OnStep | None = None,
    chain_start: int | None = None,
) -> Tensor:
    """Run the recipe's sampler; arguments as in core.diffusion.samplers."""
    if recipe.sampler == "ancestral":
        return sample_ancestral(denoiser, start, noise_steps, noise, guidance, on_step, chain_start)
    few_steps = partial(
        sample_dpm_solver,
        sampler_steps=recipe.sampler_steps,
        stochastic=recipe.sampler == "sde-dpm-solver++",
    )
    return few_steps(denoiser, start, noise_steps, noise, guidance, on_step)

"""What a recipe costs, in network forwards: the unit that holds on every machine (method.md, section 5)."""

from dataclasses import dataclass

from core.recipes.schema import AlbumRecipe, Recipe, RestoreRecipe

TRAINING_FORWARDS = 3
"""A training sample counts three forwards: one forward, and a backward of twice its work."""


@dataclass(frozen=True)
class Cost:
    """Network forwards of one photo, stage by stage."""

    album: int
    finetune: int
    restore: int

    @property
    def total(self) -> int:
        """All stages together."""
        return self.album + self.finetune + self.restore


def cost_of(recipe: Recipe) -> Cost:
    """Forwards for one photo and one candidate, tuning included."""
    tune = recipe.finetune
    return Cost(
        album=_album_forwards(recipe.album) if recipe.album else 0,
        finetune=tune.iterations * tune.batch * TRAINING_FORWARDS if tune else 0,
        restore=_network_calls(recipe.restore.noise_steps, recipe.restore),
    )


def _network_calls(noise_steps: int, recipe: AlbumRecipe | RestoreRecipe) -> int:
    return noise_steps if recipe.sampler == "ancestral" else min(recipe.sampler_steps, noise_steps)


def _album_forwards(album: AlbumRecipe) -> int:
    calls = _network_calls(album.start_steps, album)
    dense = min(album.dense_guidance_steps, album.start_steps)
    guided = min(dense + (album.start_steps - dense) // album.guidance_every, calls)
    # A guided step adds a backward of twice a forward's work.
    return album.images * (calls + (TRAINING_FORWARDS - 1) * guided)

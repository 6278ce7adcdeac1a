"""What a recipe costs, in network forwards: the unit that holds on every machine (method.md, section 5)."""

from dataclasses import dataclass

from core.domain.mode import Mode
from core.domain.subject import MOST_HELD_OUT
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
    """Forwards for one photo and one candidate, tuning included; at most, as to the photos that score the tuning."""
    return Cost(
        album=_album_forwards(recipe.album) if recipe.album else 0,
        finetune=_tuning_forwards(recipe),
        restore=_network_calls(recipe.restore.noise_steps, recipe.restore),
    )


def _tuning_forwards(recipe: Recipe) -> int:
    """A person's tuning with its scoring, of the untuned prior too, on as many photos as can be held out."""
    tune = recipe.finetune
    if tune is None:
        return 0
    scored = tune.scorings + 1 if recipe.mode is Mode.PERSONAL and tune.scorings else 0
    scoring = scored * min(tune.scoring_steps, recipe.restore.noise_steps) * MOST_HELD_OUT
    return tune.iterations * tune.batch * TRAINING_FORWARDS + scoring


def _network_calls(noise_steps: int, recipe: AlbumRecipe | RestoreRecipe) -> int:
    return noise_steps if recipe.sampler == "ancestral" else min(recipe.sampler_steps, noise_steps)


def _album_forwards(album: AlbumRecipe) -> int:
    calls = _network_calls(album.start_steps, album)
    dense = min(album.dense_guidance_steps, album.start_steps)
    guided = min(dense + (album.start_steps - dense) // album.guidance_every, calls)
    # A guided step adds a backward of twice a forward's work.
    return album.images * (calls + (TRAINING_FORWARDS - 1) * guided)

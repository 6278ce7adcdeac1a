"""What this service restores with: one prior, and the recipes that fit it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from core.domain.errors import InvalidRecipeError, SettingsError
from core.domain.mode import Mode
from core.imaging.faces.open import FinderName
from core.priors.calibration import uncalibrated
from core.priors.fit import check_recipe
from core.priors.spec import PriorSpec
from core.recipes.own import read_own_recipes
from core.recipes.presets import PRESETS, Preset, default_preset, preset
from core.recipes.schema import Recipe, as_wanted, noise_steps_for


@dataclass(frozen=True)
class Dials:
    """What a caller changes of a recipe.

    Attributes:
        recipe: a preset's name; None: the default of the mode.
        noise_steps: K; None: the recipe's.
        fidelity: 0 … 1 instead of K, 1 the most faithful; None: the recipe's K.
        by_photo: each face has its own K, and the recipe's, or `noise_steps`, is the most.
    """

    recipe: str | None = None
    noise_steps: int | None = None
    fidelity: float | None = None
    by_photo: bool = False

    def without_recipe(self) -> Self:
        """The same K with the default recipe."""
        return replace(self, recipe=None)


@dataclass(frozen=True)
class Offer:
    """What can be asked for.

    Attributes:
        prior: what every job is made with.
        own: the operator's own recipes.
        default_name: the recipe that the operator made the default of its mode; empty: ours.
        calibrated: whether K can follow from the photo with this prior.
        finder: what finds the faces: of an album, it decides what is tuned on.
    """

    prior: PriorSpec
    own: Mapping[str, Preset] = field(default_factory=dict)
    default_name: str = ""
    calibrated: bool = False
    finder: FinderName = "dlib"

    def presets(self) -> dict[str, Preset]:
        """Every recipe there is, by name."""
        return {**PRESETS, **self.own}

    def default(self, mode: Mode) -> Recipe:
        """What is taken where a caller names nothing."""
        if self.default_name:
            chosen = preset(self.default_name, self.own).recipe
            if chosen.mode is mode:
                return chosen
        return default_preset(mode, self.prior.resolution).recipe

    def recipe(self, mode: Mode, dials: Dials) -> Recipe:
        """The recipe of a job, complete and checked against the prior.

        Raises:
            InvalidRecipeError: no such recipe, one of another mode, or a K that the prior does not have; it points at
                the member that is wrong.
            PriorUncalibratedError: K is to follow from the photo, and cannot.
        """
        if dials.by_photo:
            self._check_calibrated()
        recipe = self._named(mode, dials.recipe) if dials.recipe is not None else self.default(mode)
        steps, member = dials.noise_steps, "/noise_steps"
        if dials.fidelity is not None:
            steps, member = noise_steps_for(dials.fidelity), "/fidelity"
        if steps is not None:
            total = self.prior.noise_steps
            if not 1 <= steps <= total:
                raise InvalidRecipeError(
                    f"noise_steps is {steps}, allowed is at least 1 and at most {total}.",
                    f"The prior {self.prior.name!r} has {total} noise steps; usual are {recipe.restore.noise_steps}.",
                    pointer=member,
                )
        recipe = as_wanted(recipe, steps, by_photo=dials.by_photo, calibrated=self.calibrated)
        try:
            check_recipe(recipe, self.prior)
        except InvalidRecipeError as error:
            raise InvalidRecipeError(error.message, error.advice, pointer="/recipe") from error
        return recipe

    def _check_calibrated(self) -> None:
        """Before a job is made."""
        if not self.calibrated:
            error = uncalibrated(self.prior.name)
            error.pointer = "/fidelity"
            raise error

    def _named(self, mode: Mode, name: str) -> Recipe:
        try:
            recipe = preset(name, self.own).recipe
        except InvalidRecipeError as error:
            raise InvalidRecipeError(error.message, error.advice, pointer="/recipe") from error
        if recipe.mode is not mode:
            fitting = [name for name, one in self.presets().items() if one.recipe.mode is mode]
            raise InvalidRecipeError(
                f"The recipe {name!r} is {recipe.mode}, and this is to be {mode}.",
                f"Choose one of {', '.join(fitting)}, or leave it out.",
                pointer="/recipe",
            )
        return recipe


def open_offer(
    prior: PriorSpec,
    recipes_file: Path | None,
    default_name: str,
    *,
    calibrated: bool = False,
    finder: FinderName = "dlib",
) -> Offer:
    """What an operator's settings offer; a wrong one stops the start, instead of being every caller's fault later.

    Args:
        prior: what every job is made with.
        recipes_file: HEIRLOOM_RECIPES_FILE.
        default_name: HEIRLOOM_DEFAULT_RECIPE.
        calibrated: whether the prior is.
        finder: HEIRLOOM_FACE_FINDER.

    Raises:
        SettingsError: one of the two is wrong; it is named.
    """
    try:
        own = read_own_recipes(recipes_file) if recipes_file is not None else {}
        offer = Offer(prior, own, default_name, calibrated, finder)
    except InvalidRecipeError as error:
        raise SettingsError(f"HEIRLOOM_RECIPES_FILE: {error.message}", error.advice) from error
    try:
        if default_name:
            check_recipe(preset(default_name, offer.own).recipe, prior)
    except InvalidRecipeError as error:
        raise SettingsError(f"HEIRLOOM_DEFAULT_RECIPE: {error.message}", error.advice) from error
    return offer

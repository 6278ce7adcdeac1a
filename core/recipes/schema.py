"""Every tunable number of a restoration, checked before anything is loaded.

A recipe is frozen, hashable and written into each result. A number out of range is refused with the allowed
range in the message (`build_recipe`, `override`).
"""

import hashlib
import json
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from core.domain.errors import InvalidRecipeError
from core.domain.mode import Mode

Sampler = Literal["ancestral", "dpm-solver++", "sde-dpm-solver++"]
Steps = Annotated[int, Field(ge=1, le=10_000)]
MAX_CANDIDATES = 8
"""Results of one photo, each with other noise."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def digest(self) -> str:
        """Sha256 of the numbers, hexadecimal: equal recipes, equal digests."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


class AlbumRecipe(_Frozen):
    """How anchors are sampled from the photo itself (paper, section 4.1; equation 6).

    Attributes:
        images: anchors to make.
        start_steps: K of the album's chains.
        start_from: "photo" starts at y_K, as the paper's text; "noise" at pure noise, as the authors' sampler can.
        guidance_scale: λ.
        guidance_every: n; guided where (t + 1) mod n = 0.
        guidance_norm: the distance to the photo.
        dense_guidance_steps: guide at every one of this many first steps.
        sampler: see core.diffusion.samplers.
        sampler_steps: network calls of the few-step samplers; the ancestral chain always makes K.
        batch: images sampled at once.
    """

    images: Annotated[int, Field(ge=1, le=256)] = 16
    start_steps: Steps = 200
    start_from: Literal["photo", "noise"] = "photo"
    guidance_scale: Annotated[float, Field(ge=0, le=100)] = 0.3
    guidance_every: Annotated[int, Field(ge=1, le=10_000)] = 10
    guidance_norm: Literal["l2", "l2_squared", "l1"] = "l2"
    dense_guidance_steps: Annotated[int, Field(ge=0, le=10_000)] = 0
    sampler: Sampler = "ancestral"
    sampler_steps: Annotated[int, Field(ge=1, le=1_000)] = 20
    batch: Annotated[int, Field(ge=1, le=256)] = 16


class FinetuneRecipe(_Frozen):
    """How the prior is constrained to the anchors (paper, section 3.3).

    Attributes:
        iterations: optimizer steps.
        batch: anchors a step.
        learning_rate: AdamW's at the first step; it falls linearly to 0.
        method: every weight, or low-rank adapters beside frozen ones.
        rank: of the adapters.
        timesteps_below: draw t uniformly from 0 … this − 1; None: from the whole schedule, as the authors do.
            Restoration from K never visits t ≥ K, so a quick recipe spends nothing there. Where the K of a request
            that tunes is higher, K is taken instead, so that no timestep is visited untuned.
        flips: mirror anchors at random; the authors do not, faces are not symmetric.
        scorings: how often a person's held-out photos are restored to score the tuning, evenly up to its last
            iteration; the best step is kept. 0: never, no photo is held out and the last step is kept.
        scoring_steps: network calls of such a restoration.
    """

    iterations: Annotated[int, Field(ge=1, le=100_000)] = 3_000
    batch: Annotated[int, Field(ge=1, le=64)] = 4
    learning_rate: Annotated[float, Field(gt=0, le=0.01)] = 1e-5
    method: Literal["full", "low_rank"] = "full"
    rank: Annotated[int, Field(ge=1, le=256)] = 16
    timesteps_below: Steps | None = None
    flips: bool = False
    scorings: Annotated[int, Field(ge=0, le=20)] = 4
    scoring_steps: Annotated[int, Field(ge=1, le=100)] = 8


class RestoreRecipe(_Frozen):
    """How the photo is restored (equation 2).

    Attributes:
        noise_steps: K. More gives more quality and less faithfulness (paper, figures 8 and 9).
        by_photo: each face has the K that it needs, and `noise_steps` is the most (core.pipeline.fidelity), wherever
            the prior is calibrated and nobody names a K.
        sampler: see core.diffusion.samplers.
        sampler_steps: network calls of the few-step samplers.
        batch: photos restored at once.
    """

    noise_steps: Steps = 200
    by_photo: bool = False
    sampler: Sampler = "ancestral"
    sampler_steps: Annotated[int, Field(ge=1, le=1_000)] = 20
    batch: Annotated[int, Field(ge=1, le=64)] = 8


class Recipe(_Frozen):
    """One way to restore, complete.

    Attributes:
        name: of the preset it came from.
        mode: personal, generative or direct.
        album: for generative only.
        finetune: for generative and personal.
        restore: always.
    """

    name: Annotated[str, Field(min_length=1, max_length=64)]
    mode: Mode
    album: AlbumRecipe | None = None
    finetune: FinetuneRecipe | None = None
    restore: RestoreRecipe = RestoreRecipe()

    def tuned_up_to_k(self) -> Self:
        """The recipe as it is carried out by a request that tunes.

        Where K is above `finetune.timesteps_below`, that becomes K: no timestep that the restoration visits stays
        untuned. What tells tunings apart goes by this recipe's finetune part, not by the one that was chosen.
        """
        tuning, noise_steps = self.finetune, self.restore.noise_steps
        if tuning is None or tuning.timesteps_below is None or tuning.timesteps_below >= noise_steps:
            return self
        return self.model_copy(update={"finetune": tuning.model_copy(update={"timesteps_below": noise_steps})})

    @model_validator(mode="after")
    def _parts_match_mode(self) -> Self:
        if (self.album is not None) != (self.mode is Mode.GENERATIVE):
            raise ValueError("an album recipe belongs to the generative mode, and to no other")
        if (self.finetune is None) != (self.mode is Mode.DIRECT):
            raise ValueError("a finetune recipe belongs to the personal and generative modes; direct has none")
        return self


def build_recipe(values: dict[str, Any]) -> Recipe:
    """Check and freeze a recipe.

    Args:
        values: nested plain values, as in a recipe's JSON.

    Raises:
        InvalidRecipeError: a number is out of range; the message names it and the range.
    """
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        raise InvalidRecipeError(_explain(error), "`heirloom recipes` shows every preset and its numbers.") from error


def override(recipe: Recipe, changes: dict[str, Any]) -> Recipe:
    """A recipe with some numbers changed.

    Args:
        recipe: where to start.
        changes: dotted names to values, e.g. {"restore.noise_steps": 150}; None values are left out.

    Raises:
        InvalidRecipeError: an unknown name, a part this mode does not have, or a value out of range.
    """
    values = recipe.model_dump(mode="json")
    for name, value in changes.items():
        if value is None:
            continue
        part, _, field = name.partition(".")
        if not field or not isinstance(values.get(part), dict):
            raise InvalidRecipeError(
                f"The recipe {recipe.name!r} has no {name!r}.",
                f"Its mode is {recipe.mode}; choose a preset that has it.",
            )
        values[part][field] = value
    return build_recipe(values)


def with_noise_steps(recipe: Recipe, noise_steps: int | None, *, by_photo: bool) -> Recipe:
    """A recipe as a request wants it: K as it is or another one, for every face or as the most of each face's own.

    Raises:
        InvalidRecipeError: K is not in 1 … 10,000.
    """
    return override(recipe, {"restore.noise_steps": noise_steps, "restore.by_photo": by_photo})


def as_wanted(recipe: Recipe, noise_steps: int | None, *, by_photo: bool, calibrated: bool) -> Recipe:
    """A recipe as a request carries it out.

    Args:
        recipe: as it was chosen.
        noise_steps: the K that was named, if one was.
        by_photo: each face's own K was asked for; that the prior can choose it was checked.
        calibrated: whether it can. Where nothing was asked, a recipe's wish for it counts with such a prior only.

    Raises:
        InvalidRecipeError: K is not in 1 … 10,000.
    """
    own = by_photo or (recipe.restore.by_photo and noise_steps is None and calibrated)
    return with_noise_steps(recipe, noise_steps, by_photo=own)


def noise_steps_for(fidelity: float) -> int:
    """K for a fidelity dial: 1 is the most faithful (K = 50), 0 the freest (K = 400); K = round(400 − 350·fidelity).

    Raises:
        InvalidRecipeError: not within 0 … 1.
    """
    if not 0.0 <= fidelity <= 1.0:
        raise InvalidRecipeError(f"fidelity is {fidelity}, allowed is 0 … 1.", "1 is the most faithful, 0 the freest.")
    return round(400 - 350 * fidelity)


_BOUNDS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}


def _explain(error: ValidationError) -> str:
    """One sentence for each wrong number, with its allowed range."""
    sentences = []
    for problem in error.errors():
        name = ".".join(str(part) for part in problem["loc"]) or "recipe"
        given = problem.get("input")
        allowed = allowed_range(name)
        if problem["type"].startswith(("greater", "less", "finite", "int", "float")) and allowed:
            sentences.append(f"{name} is {given!r}, allowed is {allowed}.")
        else:
            sentences.append(f"{name}: {problem['msg']}.")
    return " ".join(sentences)


def allowed_range(name: str) -> str:
    """The range of a recipe's number in words, e.g. "at least 1 and at most 64"; empty for an unknown name."""
    part, _, field = name.partition(".")
    models: dict[str, type[_Frozen]] = {"album": AlbumRecipe, "finetune": FinetuneRecipe, "restore": RestoreRecipe}
    info = models[part].model_fields.get(field) if part in models else None
    if info is None:
        return ""
    schema = models[part].model_json_schema()["properties"][field]
    schema = next((option for option in schema.get("anyOf", []) if "minimum" in option), schema)
    words = {"minimum": "ge", "exclusiveMinimum": "gt", "maximum": "le", "exclusiveMaximum": "lt"}
    return " and ".join(f"{_BOUNDS[words[key]]} {schema[key]:g}" for key in words if key in schema)

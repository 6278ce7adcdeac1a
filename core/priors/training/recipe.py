"""Every number of a prior's training, checked before a picture is read."""

import hashlib
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.domain.errors import InvalidRecipeError


class TrainingRecipe(BaseModel):
    """How a prior is trained.

    Attributes:
        steps: optimizer steps in all.
        batch: images a step.
        learning_rate: AdamW's, after the warm-up.
        warmup_steps: it rises linearly from 0 over these.
        decay_fraction: it falls linearly to 0 over this last part of the steps.
        ema_decay: of the averaged weights, which are the ones kept.
        min_snr: ceiling of the min-SNR weight (Hang et al. 2023); None: plain mean squared error.
        low_fraction: this part of the timesteps is drawn from 0 … low_below − 1, where restoration works.
        low_below: see low_fraction.
        flips: mirror at random.
        precision: fp32, or bf16 autocast.
        held_out: images kept out of training and used to measure.
        seed: of weights, order, noise and timesteps.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    steps: Annotated[int, Field(ge=1, le=10_000_000)] = 4_000
    batch: Annotated[int, Field(ge=1, le=4_096)] = 16
    learning_rate: Annotated[float, Field(gt=0, le=0.01)] = 2e-4
    warmup_steps: Annotated[int, Field(ge=0, le=100_000)] = 50
    decay_fraction: Annotated[float, Field(ge=0, le=1)] = 1.0
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.999
    min_snr: Annotated[float, Field(gt=0, le=1_000)] | None = 5.0
    low_fraction: Annotated[float, Field(ge=0, le=1)] = 0.5
    low_below: Annotated[int, Field(ge=1, le=10_000)] = 400
    flips: bool = True
    precision: Literal["fp32", "bf16"] = "fp32"
    held_out: Annotated[int, Field(ge=0, le=100_000)] = 128
    seed: Annotated[int, Field(ge=0, le=2**62)] = 0

    def digest(self) -> str:
        """Sha256 of the numbers, hexadecimal."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    def learning_rate_at(self, step: int) -> float:
        """Warm-up, plateau, linear decay to 0."""
        warm = min(1.0, (step + 1) / self.warmup_steps) if self.warmup_steps else 1.0
        decay_steps = self.steps * self.decay_fraction
        cool = min(1.0, (self.steps - step) / decay_steps) if decay_steps else 1.0
        return self.learning_rate * min(warm, cool)

    def ema_decay_at(self, step: int) -> float:
        """Shorter memory at the beginning, so that the average does not drag the first weights along."""
        return min(self.ema_decay, (1 + step) / (10 + step))


def build_training_recipe(**values: object) -> TrainingRecipe:
    """Check and freeze a training recipe.

    Raises:
        InvalidRecipeError: a number is out of its range; the message names it and the range.
    """
    try:
        return TrainingRecipe.model_validate(values)
    except ValidationError as error:
        sentences = []
        for problem in error.errors():
            name = str(problem["loc"][0])
            if name in TrainingRecipe.model_fields:
                sentences.append(f"{name} is {problem['input']!r}, allowed is {allowed_range(name)}.")
            else:
                sentences.append(f"A training recipe has no {name!r}.")
        raise InvalidRecipeError(
            " ".join(dict.fromkeys(sentences)), "`heirloom models train --help` explains every number."
        ) from error


_WORDS = {"minimum": "at least", "exclusiveMinimum": "more than", "maximum": "at most", "exclusiveMaximum": "less than"}


def allowed_range(name: str) -> str:
    """What a number may be, in words, e.g. "at least 1 and at most 4096"; for a choice its options."""
    schema = TrainingRecipe.model_json_schema()["properties"][name]
    schema = next((option for option in schema.get("anyOf", []) if option["type"] != "null"), schema)
    if "enum" in schema:
        return " or ".join(schema["enum"])
    bounds = [f"{words} {schema[key]}" for key, words in _WORDS.items() if key in schema]
    return " and ".join(bounds) or "true or false"

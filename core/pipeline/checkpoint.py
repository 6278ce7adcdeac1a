"""The subject checkpoint: what tuning yields, one safetensors file.

Metadata: format, kind, prior_sha256, recipe, seed, album_sha256, step, scores. Floats in half precision.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from torch import Tensor

from core.domain.errors import CheckpointMismatchError, CheckpointUnreadableError
from core.priors.adapters import apply_tuned_state, expected_shapes
from core.priors.diffusers_unet import UNetPrior
from core.priors.spec import PriorSpec
from core.priors.weights import read_metadata, read_weights, source_name, weights_bytes
from core.recipes.schema import FinetuneRecipe

FORMAT = "heirloom-checkpoint/1"


@dataclass(frozen=True)
class CheckpointInfo:
    """What a subject checkpoint says about itself.

    Attributes:
        prior_sha256: the weights it was tuned from; it fits no others.
        prior_name: for people.
        finetune: the numbers it was tuned with.
        seed: the request's.
        album_sha256: of the anchors it was tuned on.
        step: iterations that its weights have seen.
        scores: what was measured while tuning: `mean_loss`; and where photos were held out, `best_step` with its
            `identity` and `psnr`, and the whole `curve`, see `core.pipeline.scoring`.
    """

    prior_sha256: str
    prior_name: str
    finetune: FinetuneRecipe
    seed: int
    album_sha256: str
    step: int
    scores: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """For reports; the numbers it was tuned with stand in the report's recipe."""
        return {"album_sha256": self.album_sha256, "step": self.step, "seed": self.seed, "scores": self.scores}

    def metadata(self) -> dict[str, str]:
        """As a safetensors file carries it: strings only."""
        return {
            "format": FORMAT,
            "kind": self.finetune.method,
            "prior_sha256": self.prior_sha256,
            "prior_name": self.prior_name,
            "recipe": self.finetune.model_dump_json(),
            "seed": str(self.seed),
            "album_sha256": self.album_sha256,
            "step": str(self.step),
            "scores": json.dumps(self.scores, sort_keys=True),
        }


def checkpoint_bytes(info: CheckpointInfo, tensors: dict[str, Tensor]) -> bytes:
    """Serialise a subject checkpoint."""
    return weights_bytes(tensors, info.metadata())


def read_info(source: Path | bytes) -> CheckpointInfo:
    """Read what a checkpoint says about itself, without its weights.

    Args:
        source: the checkpoint's file, or what is in it.

    Raises:
        CheckpointUnreadableError: not a Heirloom checkpoint.
    """
    metadata = read_metadata(source)
    name = source_name(source)
    if metadata.get("format") != FORMAT:
        raise CheckpointUnreadableError(
            f"{name} is not a Heirloom checkpoint.", "`heirloom tune ALBUM -o FILE.safetensors` makes one."
        )
    try:
        finetune = FinetuneRecipe.model_validate_json(metadata["recipe"])
        scores: dict[str, Any] = json.loads(metadata["scores"])
        return CheckpointInfo(
            prior_sha256=metadata["prior_sha256"],
            prior_name=metadata["prior_name"],
            finetune=finetune,
            seed=int(metadata["seed"]),
            album_sha256=metadata["album_sha256"],
            step=int(metadata["step"]),
            scores=_checked(scores),
        )
    except (KeyError, ValueError, TypeError, AttributeError, ValidationError) as error:
        raise CheckpointUnreadableError(f"{name} has damaged metadata.", "Tune the album again.") from error


def _checked(scores: dict[str, Any]) -> dict[str, Any]:
    """Numbers, and the curve.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: it is none of that.
    """
    checked: dict[str, Any] = {name: _number(value) for name, value in scores.items() if name != "curve"}
    if "best_step" in scores:
        checked["best_step"] = int(scores["best_step"])
    if "curve" in scores:
        checked["curve"] = [
            {"step": int(one["step"]), "identity": _number(one["identity"]), "psnr": _number(one["psnr"])}
            for one in scores["curve"]
        ]
    return checked


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)


def check_fits(info: CheckpointInfo, spec: PriorSpec) -> None:
    """Refuse a checkpoint that was tuned from other weights than this prior's; nothing needs to be loaded for it.

    Raises:
        CheckpointMismatchError: it was.
    """
    if info.prior_sha256 != spec.sha256:
        raise CheckpointMismatchError(
            f"The checkpoint was tuned from the prior {info.prior_name!r} ({info.prior_sha256[:12]}), "
            f"not from {spec.name!r} ({spec.sha256[:12]}).",
            "Use that prior, or tune the album again with this one.",
        )


def apply_checkpoint(prior: UNetPrior, source: Path | bytes) -> UNetPrior:
    """A copy of the prior, constrained by a subject checkpoint.

    Args:
        prior: left untouched.
        source: the checkpoint's file, or what is in it: biometric data in memory is never written for this.

    Raises:
        CheckpointUnreadableError: not a Heirloom checkpoint, or damaged.
        CheckpointMismatchError: tuned from other prior weights.
    """
    info = read_info(source)
    check_fits(info, prior.spec)
    finetune = info.finetune
    expected = expected_shapes(prior, finetune.method, finetune.rank)
    tensors = read_weights(source, expected, CheckpointUnreadableError)
    return apply_tuned_state(prior, finetune.method, finetune.rank, tensors)

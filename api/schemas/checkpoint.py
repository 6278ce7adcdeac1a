"""Checkpoints."""

from typing import Annotated, Any, Self

from pydantic import Field, StrictBool, model_validator

from api.schemas.members import Answered, Instant, Label, Seed, Sent
from core.db.tables import Checkpoint, Subject
from core.domain.subject import CheckpointStatus


class CheckpointIn(Sent):
    """Another tuning of an album that is there."""

    recipe: Annotated[Label | None, Field(description="A personal recipe's name; left out: the default.")] = None
    seed: Seed = 0


class CheckpointChange(Sent):
    """What is to change; at least one."""

    default: Annotated[StrictBool | None, Field(description="Restorations use it where none is named.")] = None
    pinned: Annotated[StrictBool | None, Field(description="Never deleted for not being used.")] = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.default is None and self.pinned is None:
            raise ValueError("nothing is to change")
        return self


class PriorRef(Answered):
    """Which pretrained model."""

    name: str
    sha256: str


class ScoredStepOut(Answered):
    """How well held-out photos were restored after so many iterations."""

    step: int = Field(description="0 is the prior before tuning.")
    identity: float | None = Field(description="To the clean photos, 1 the same; null where the album is of nobody.")
    psnr: float = Field(description="To the clean photos, in dB.")


class CheckpointScores(Answered):
    """What was measured while tuning."""

    mean_loss: float | None
    best_step: int | None = Field(description="Whose weights these are; null where no photo was held out.")
    identity: float | None
    psnr: float | None
    curve: list[ScoredStepOut] = Field(description="Of all steps that were scored.")

    @classmethod
    def of(cls, scores: dict[str, Any]) -> Self:
        """As they are stored; empty until the checkpoint is ready."""
        single = {name: scores.get(name) for name in ("mean_loss", "best_step", "identity", "psnr")}
        return cls(**single, curve=[ScoredStepOut(**one) for one in scores.get("curve", [])])


class CheckpointLinks(Answered):
    """Where to go on."""

    self: str
    content: str | None = Field(description="The weights; none while it is not ready.")
    job: str | None


class CheckpointOut(Answered):
    """What tuning on an album makes, or has made."""

    id: str
    subject_id: str
    status: CheckpointStatus
    default: bool
    pinned: bool
    prior: PriorRef
    recipe: dict[str, Any]
    seed: int
    album_sha256: str
    sha256: str | None = Field(description="Of the weights.")
    size_bytes: int | None
    step: int | None = Field(description="Iterations that its weights have seen.")
    scores: CheckpointScores
    created_at: Instant
    last_used_at: Instant | None
    expires_at: Instant | None
    links: CheckpointLinks

    @classmethod
    def of(cls, subject: Subject, checkpoint: Checkpoint) -> Self:
        """A row as it is shown."""
        path = f"/v1/subjects/{subject.id}/checkpoints/{checkpoint.id}"
        ready = checkpoint.status == CheckpointStatus.READY
        return cls(
            id=checkpoint.id,
            subject_id=subject.id,
            status=CheckpointStatus(checkpoint.status),
            default=subject.default_checkpoint_id == checkpoint.id,
            pinned=checkpoint.pinned,
            prior=PriorRef(name=checkpoint.prior_name, sha256=checkpoint.prior_sha256),
            recipe=checkpoint.recipe,
            seed=checkpoint.seed,
            album_sha256=checkpoint.album_sha256,
            sha256=checkpoint.blob_sha256,
            size_bytes=checkpoint.size_bytes,
            step=checkpoint.step,
            scores=CheckpointScores.of(checkpoint.scores),
            created_at=checkpoint.created_at,
            last_used_at=checkpoint.last_used_at,
            expires_at=checkpoint.expires_at,
            links=CheckpointLinks(
                self=path,
                content=f"{path}/content" if ready else None,
                job=f"/v1/jobs/{checkpoint.job_id}" if checkpoint.job_id is not None else None,
            ),
        )


class CheckpointPage(Answered):
    """Checkpoints, newest first."""

    data: list[CheckpointOut]
    next_cursor: str | None

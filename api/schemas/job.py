"""Jobs."""

from typing import Any, Self

from pydantic import Field

from api.schemas.checkpoint import PriorRef
from api.schemas.members import Answered, Instant
from api.schemas.problem import JobProblem
from core.db.tables import Job
from core.domain.job import JobKind, JobStatus
from core.services.jobs import JobView
from core.services.problems import title_of, type_of


class Progress(Answered):
    """How far the stage is."""

    done: int
    total: int
    fraction: float = Field(description="0 to 1.")


class Warned(Answered):
    """Something that its owner should know, though the job succeeded, or why it waits."""

    code: str
    detail: str
    advice: str


class JobLinks(Answered):
    """Where to go on; what a job does not have is null."""

    self: str
    events: str
    cancel: str
    retry: str
    subject: str | None
    album: str | None
    checkpoint: str | None
    restoration: str | None
    image: str | None


class JobOut(Answered):
    """One piece of work."""

    id: str
    kind: JobKind
    status: JobStatus
    stage: str | None
    progress: Progress
    queue_position: int | None = Field(description="1 is the next; null where it is not queued.")
    eta_seconds: float | None = Field(description="Until it has ended, from measured times; null where none are known.")
    attempt: int
    cancel_requested: bool
    subject_id: str | None
    checkpoint_id: str | None
    restoration_id: str | None
    waits_for_job_id: str | None = Field(description="The job that makes the checkpoint it needs.")
    retry_of: str | None
    recipe: dict[str, Any]
    prior: PriorRef
    seed: int
    created_at: Instant
    started_at: Instant | None
    finished_at: Instant | None
    start_by: Instant | None
    expires_at: Instant | None
    error: JobProblem | None
    warnings: list[Warned]
    metrics: dict[str, Any]
    links: JobLinks

    @classmethod
    def of(cls, view: JobView) -> Self:
        """A job and its outlook as they are shown."""
        job, forecast = view.job, view.forecast
        total = job.progress_total
        return cls(
            id=job.id,
            kind=JobKind(job.kind),
            status=JobStatus(job.status),
            stage=job.stage,
            progress=Progress(
                done=job.progress_done, total=total, fraction=round(job.progress_done / total, 4) if total else 0.0
            ),
            queue_position=forecast.queue_position,
            eta_seconds=forecast.eta_seconds,
            attempt=job.attempt,
            cancel_requested=job.cancel_requested,
            subject_id=job.subject_id,
            checkpoint_id=job.checkpoint_id,
            restoration_id=job.restoration_id,
            waits_for_job_id=job.waits_for_job_id,
            retry_of=job.retry_of,
            recipe=job.recipe,
            prior=PriorRef(name=job.prior_name, sha256=job.prior_sha256),
            seed=job.seed,
            created_at=job.created_at,
            started_at=job.started_at,
            finished_at=job.finished_at,
            start_by=job.start_by,
            expires_at=job.expires_at,
            error=problem_of(job.error),
            warnings=[Warned.model_validate(warning) for warning in view.warnings],
            metrics=job.metrics,
            links=_links(job),
        )


def problem_of(stored: dict[str, Any] | None) -> JobProblem | None:
    """A stored error as it is shown."""
    if stored is None:
        return None
    return JobProblem.model_validate({"type": type_of(stored["code"]), "title": title_of(stored["code"]), **stored})


def _links(job: Job) -> JobLinks:
    path = f"/v1/jobs/{job.id}"
    subject = f"/v1/subjects/{job.subject_id}" if job.subject_id else None
    restoration = f"/v1/restorations/{job.restoration_id}" if job.restoration_id else None
    return JobLinks(
        self=path,
        events=f"{path}/events",
        cancel=f"{path}/cancel",
        retry=f"{path}/retry",
        subject=subject,
        album=f"{subject}/album" if subject else None,
        checkpoint=f"{subject}/checkpoints/{job.checkpoint_id}" if subject and job.checkpoint_id else None,
        restoration=restoration,
        image=f"{restoration}/image" if restoration and job.status == JobStatus.SUCCEEDED else None,
    )


class JobPage(Answered):
    """Jobs, newest first."""

    data: list[JobOut]
    next_cursor: str | None

"""Jobs: looked at, stopped, tried again."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from core.db import checkpoints, events, jobs, queue, restorations
from core.db.session import now_of
from core.db.tables import Job, JobEventRow
from core.domain.errors import JobFinishedError, NotFoundError
from core.domain.ids import Prefix, new_id
from core.domain.job import JobKind, JobStatus
from core.domain.subject import CheckpointStatus
from core.priors.spec import PriorSpec
from core.services import subjects
from core.services.estimates import Forecast, Forecaster
from core.services.restorations import usable

_COPIED = (
    "owner_id",
    "kind",
    "priority",
    "subject_id",
    "checkpoint_id",
    "restoration_id",
    "recipe",
    "recipe_digest",
    "seed",
    "options",
    "batch_key",
    "cost_forwards",
    "prior_name",
    "prior_sha256",
)


Timeline = tuple[Job, Sequence[JobEventRow]]
"""A job, and what happened to it."""


@dataclass(frozen=True)
class JobView:
    """A job and its outlook."""

    job: Job
    forecast: Forecast


def view(session: Session, job: Job, forecaster: Forecaster) -> JobView:
    """A job and its outlook."""
    return JobView(job, forecaster.of(session, job))


def get(session: Session, owner_id: str, job_id: str) -> Job:
    """An owner's job.

    Raises:
        NotFoundError: there is none.
    """
    job = jobs.get(session, owner_id, job_id)
    if job is None:
        raise NotFoundError("There is no such job.", "GET /v1/jobs lists yours.")
    return job


def listed(
    session: Session,
    owner_id: str,
    forecaster: Forecaster,
    limit: int,
    before_id: str | None,
    *,
    status: str | None = None,
    kind: str | None = None,
    subject_id: str | None = None,
) -> list[JobView]:
    """An owner's jobs, newest first."""
    found = jobs.listed(session, owner_id, limit, before_id, status=status, kind=kind, subject_id=subject_id)
    return [view(session, job, forecaster) for job in found]


def timeline(session: Session, owner_id: str, job_id: str, event_id: int) -> Timeline:
    """A job, and what happened to it after an event.

    Raises:
        NotFoundError: there is none.
    """
    # The job first: what ends it is then among the events, or comes with the next look.
    job = get(session, owner_id, job_id)
    return job, events.after(session, owner_id, job_id, event_id)


def cancel(session: Session, owner_id: str, job_id: str) -> tuple[Job, bool]:
    """Stop a job: a queued one at once, a running one within a step.

    Returns:
        The job, and whether it is still to stop.

    Raises:
        NotFoundError: there is none.
    """
    job = queue.request_cancel(session, owner_id, job_id)
    if job is None:
        raise NotFoundError("There is no such job.", "GET /v1/jobs lists yours.")
    return job, not JobStatus(job.status).terminal


def retry(session: Session, owner_id: str, job_id: str, prior: PriorSpec) -> Job:
    """Begin a job that ended badly anew, as a new one.

    Raises:
        NotFoundError: there is none, or what it was to make was deleted.
        JobFinishedError: it has not ended, or it succeeded.
        CheckpointNotReadyError, CheckpointMismatchError: a restoration whose checkpoint cannot be used.
    """
    job = get(session, owner_id, job_id)
    if not JobStatus(job.status).terminal or job.status == JobStatus.SUCCEEDED:
        raise JobFinishedError(
            f"The job is {job.status}; only one that ended otherwise can be retried.",
            "Cancel it first, or send the request again for another result.",
        )
    if job.subject_id is not None:
        subjects.get(session, owner_id, job.subject_id, lock=True)
    again = Job(
        **{name: getattr(job, name) for name in _COPIED},
        id=new_id(Prefix.JOB),
        status=JobStatus.QUEUED,
        retry_of=job.id,
        metrics={},
        warnings=[],
        created_at=now_of(session),
    )
    if job.kind == JobKind.RESTORATION:
        _point_restoration(session, again, prior)
    elif job.checkpoint_id is not None:
        _point_checkpoint(session, again)
    return jobs.insert(session, again)


def _point_restoration(session: Session, job: Job, prior: PriorSpec) -> None:
    row = restorations.get(session, job.owner_id, job.restoration_id or "", lock=True)
    if row is None:
        raise NotFoundError("The restoration of this job was deleted.", "Send the photo again.")
    if job.checkpoint_id is not None:
        checkpoint = checkpoints.get(session, job.owner_id, job.checkpoint_id)
        if checkpoint is None:
            raise NotFoundError("The checkpoint of this job was deleted.", "Send the photo again.")
        job.waits_for_job_id = usable(session, checkpoint, prior)
    row.job_id = job.id


def _point_checkpoint(session: Session, job: Job) -> None:
    checkpoint = checkpoints.get(session, job.owner_id, job.checkpoint_id or "")
    if checkpoint is None:
        raise NotFoundError("The checkpoint of this job was deleted.", "Tune the album again.")
    if checkpoint.status == CheckpointStatus.READY:
        raise JobFinishedError("Another job has made this checkpoint meanwhile.", "Use it: it is ready.")
    checkpoint.status, checkpoint.job_id = CheckpointStatus.PENDING, job.id

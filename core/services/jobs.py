"""Jobs: looked at, and stopped; `core.services.retrying` begins them anew."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from core.db import events, jobs, queue
from core.db.tables import Job, JobEventRow
from core.domain.errors import NotFoundError
from core.domain.job import JobStatus
from core.services.estimates import Forecast, Forecaster

Timeline = tuple[Job, Sequence[JobEventRow]]
"""A job, and what happened to it."""


@dataclass(frozen=True)
class JobView:
    """A job and its outlook."""

    job: Job
    forecast: Forecast

    @property
    def warnings(self) -> list[dict[str, str]]:
        """The job's own, and why it waits where nobody will take it as things are."""
        return [*self.job.warnings, *([_no_prior(self.job)] if self.forecast.lacks_prior else [])]


def _no_prior(job: Job) -> dict[str, str]:
    return {
        "code": "prior_unavailable",
        "detail": f"No live worker has the prior that this job was made for, {job.prior_name!r}.",
        "advice": "It waits for one that has. For the service's present prior, cancel it and send the request again.",
    }


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

"""The timeline of jobs: appended in the transaction that moves the job."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.db.tables import Job, JobEventRow


def append(session: Session, job: Job, event_type: str, at: datetime, data: dict[str, Any] | None = None) -> None:
    """Write down what happened to a job.

    Args:
        session: the transaction that makes it true.
        job: as it is afterwards.
        event_type: a `JobEvent`, or `created`, `stage`, `cancel_requested`, `album_report`.
        at: the database's clock.
        data: ids and numbers; no names, no pixels.
    """
    session.add(
        JobEventRow(job_id=job.id, owner_id=job.owner_id, at=at, type=event_type, attempt=job.attempt, data=data or {})
    )


def after(session: Session, owner_id: str, job_id: str, event_id: int = 0, limit: int = 500) -> Sequence[JobEventRow]:
    """A job's events with a number greater than `event_id`, oldest first."""
    query = (
        select(JobEventRow)
        .where(JobEventRow.owner_id == owner_id, JobEventRow.job_id == job_id, JobEventRow.id > event_id)
        .order_by(JobEventRow.id)
        .limit(limit)
    )
    return session.scalars(query).all()

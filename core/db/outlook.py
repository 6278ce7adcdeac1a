"""What is in the queue before a job, and how long such jobs took: what an estimate is made from."""

from datetime import datetime

from sqlalchemy import and_, bindparam, func, or_, select
from sqlalchemy.orm import Session

from core.db.queue import QUEUED, RUNNING
from core.db.tables import Job
from core.domain.job import JobStatus

Work = tuple[str, str, str]
"""What decides how long a job runs, about: its kind, its recipe's digest, its prior's hash."""


# Built once: these are asked for with every poll, and building them would take longer than the database does.
_EARLIER = and_(Job.priority == bindparam("priority"), Job.id < bindparam("job_id"))
_AHEAD = (
    select(Job.kind, Job.recipe_digest, Job.prior_sha256, func.count())
    .where(QUEUED, or_(Job.priority > bindparam("priority"), _EARLIER))
    .group_by(Job.kind, Job.recipe_digest, Job.prior_sha256)
)
_RUNNING = select(Job.kind, Job.recipe_digest, Job.prior_sha256, Job.started_at).where(RUNNING)


def ahead_of(session: Session, job: Job) -> list[tuple[Work, int]]:
    """The queued jobs that come before this one, counted by what they are."""
    found = session.execute(_AHEAD, {"priority": job.priority, "job_id": job.id})
    return [((kind, digest, prior), count) for kind, digest, prior, count in found]


def running(session: Session) -> list[tuple[Work, datetime | None]]:
    """The jobs that workers have at this moment: what they are, and since when."""
    return [((kind, digest, prior), started_at) for kind, digest, prior, started_at in session.execute(_RUNNING)]


def latest_seconds(session: Session, most: int = 20) -> list[float]:
    """How long the last jobs of any kind ran, newest first: how soon a worker is likely to be free."""
    query = select(Job.run_seconds).where(Job.status == JobStatus.SUCCEEDED, Job.run_seconds.is_not(None))
    return [seconds for seconds in session.scalars(query.order_by(Job.finished_at.desc()).limit(most)) if seconds]

"""What is in the queue before a job, and how long such jobs took: what an estimate is made from."""

from datetime import datetime

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from core.db.queue import QUEUED, RUNNING
from core.db.tables import Job
from core.domain.job import JobStatus

Work = tuple[str, str, str]
"""What decides how long a job runs, about: its kind, its recipe's digest, its prior's hash."""


def ahead_of(session: Session, job: Job) -> list[tuple[Work, int]]:
    """The queued jobs that come before this one, counted by what they are."""
    before = or_(Job.priority > job.priority, and_(Job.priority == job.priority, Job.id < job.id))
    query = (
        select(Job.kind, Job.recipe_digest, Job.prior_sha256, func.count())
        .where(QUEUED, before)
        .group_by(Job.kind, Job.recipe_digest, Job.prior_sha256)
    )
    return [((kind, digest, prior), count) for kind, digest, prior, count in session.execute(query)]


def running(session: Session) -> list[tuple[Work, datetime | None]]:
    """The jobs that workers have at this moment: what they are, and since when."""
    query = select(Job.kind, Job.recipe_digest, Job.prior_sha256, Job.started_at).where(RUNNING)
    return [((kind, digest, prior), started_at) for kind, digest, prior, started_at in session.execute(query)]


def latest_seconds(session: Session, most: int = 20) -> list[float]:
    """How long the last jobs of any kind ran, newest first: how soon a worker is likely to be free."""
    query = select(Job.run_seconds).where(Job.status == JobStatus.SUCCEEDED, Job.run_seconds.is_not(None))
    return [seconds for seconds in session.scalars(query.order_by(Job.finished_at.desc()).limit(most)) if seconds]

"""What stands in the queue, and how long such jobs took: what an estimate is made from."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.db.queue import QUEUED, RUNNING
from core.db.tables import Job
from core.domain.job import JobStatus

Work = tuple[str, str, str]
"""What decides how long a job runs, about: its kind, its recipe's digest, its prior's hash."""
Place = tuple[int, str]
"""Where a job stands: the smaller one is claimed first."""


@dataclass(frozen=True)
class Waiting:
    """A queued job."""

    place: Place
    work: Work


@dataclass(frozen=True)
class Running:
    """A job in a worker's hands."""

    work: Work
    started_at: datetime | None


def work_of(job: Job) -> Work:
    """What decides how long a job runs."""
    return job.kind, job.recipe_digest, job.prior_sha256


def place_of(job: Job) -> Place:
    """Where a job stands among those that are queued."""
    return -job.priority, job.id


def waiting(session: Session) -> list[Waiting]:
    """The queue, in its order."""
    query = select(Job.priority, Job.id, Job.kind, Job.recipe_digest, Job.prior_sha256).where(QUEUED)
    found = session.execute(query.order_by(Job.priority.desc(), Job.id))
    return [Waiting((-priority, job_id), (kind, digest, prior)) for priority, job_id, kind, digest, prior in found]


def running(session: Session) -> list[Running]:
    """The jobs that workers have at this moment, and since when."""
    query = select(Job.kind, Job.recipe_digest, Job.prior_sha256, Job.started_at).where(RUNNING)
    return [Running((kind, digest, prior), since) for kind, digest, prior, since in session.execute(query)]


def latest_seconds(session: Session, most: int = 20) -> list[float]:
    """How long the last jobs of any kind ran, newest first: how soon a worker is likely to be free."""
    query = select(Job.run_seconds).where(Job.status == JobStatus.SUCCEEDED, Job.run_seconds.is_not(None))
    return [seconds for seconds in session.scalars(query.order_by(Job.finished_at.desc()).limit(most)) if seconds]

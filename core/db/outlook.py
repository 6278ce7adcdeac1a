"""What stands in the queue, and how long such jobs took: what an estimate is made from."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from core.db import turns
from core.db.queue import QUEUED, RUNNING
from core.db.tables import Job, JobEventRow, Owner
from core.domain.job import JobEvent, JobStatus


class Alike(NamedTuple):
    """What jobs have in common whose times tell about each other's."""

    kind: str
    recipe_digest: str
    prior_sha256: str


class Work(NamedTuple):
    """What decides how long a job runs, about: what it is, and how many network forwards it takes."""

    alike: Alike
    forwards: int


class Waiting(NamedTuple):
    """A queued job."""

    job_id: str
    work: Work


class Running(NamedTuple):
    """A job in a worker's hands since `claimed_at`; jobs of one worker share one run."""

    job_id: str
    work: Work
    worker_id: str | None
    claimed_at: datetime | None


def work_of(job: Job) -> Work:
    """What decides how long a job runs."""
    return Work(Alike(job.kind, job.recipe_digest, job.prior_sha256), job.cost_forwards)


def waiting(session: Session) -> list[Waiting]:
    """The queue, in its order: the first of each owner whose turn comes, then the second of each, and so on."""
    query = select(Job.id, *_WORK).join(Owner, Owner.id == Job.owner_id).where(QUEUED).order_by(_ROUND, *turns.order())
    return [Waiting(job_id, Work(Alike(*alike), forwards)) for job_id, *alike, forwards in session.execute(query)]


def ahead_of(session: Session, job: Job) -> list[tuple[Work, int]]:
    """What will be claimed before a queued job: each kind of work, and how often it stands there."""
    before = or_(Job.priority > job.priority, and_(Job.priority == job.priority, Job.id < job.id))
    own = select(func.count() + 1).select_from(Job).where(QUEUED, Job.owner_id == job.owner_id, before)
    turn = session.scalar(own)
    owner = session.get_one(Owner, job.owner_id)
    earlier = and_(Owner.served_at.is_not_distinct_from(owner.served_at), Owner.id < owner.id)
    if owner.served_at is not None:
        earlier = or_(earlier, Owner.served_at.is_(None), Owner.served_at < owner.served_at)
    places = select(Job.owner_id, _ROUND.label("turn"), *_WORK).where(QUEUED).subquery()
    work = [places.c[column.name] for column in _WORK]
    query = select(*work, func.count()).join(Owner, Owner.id == places.c.owner_id).group_by(*work)
    found = session.execute(query.where(or_(places.c.turn < turn, and_(places.c.turn == turn, earlier))))
    return [(Work(Alike(*alike), forwards), count) for *alike, forwards, count in found]


def running(session: Session) -> list[Running]:
    """The jobs that workers have at this moment, and since when: an attempt's own beginning, not the job's."""
    claims = select(func.max(JobEventRow.at)).where(
        JobEventRow.job_id == Job.id, JobEventRow.type == JobEvent.CLAIMED.value
    )
    query = select(Job.id, Job.worker_id, claims.correlate(Job).scalar_subquery(), *_WORK).where(RUNNING)
    return [
        Running(job_id, Work(Alike(*alike), forwards), worker_id, since)
        for job_id, worker_id, since, *alike, forwards in session.execute(query)
    ]


_WORK = (Job.kind, Job.recipe_digest, Job.prior_sha256, Job.cost_forwards)
_ROUND = func.row_number().over(partition_by=Job.owner_id, order_by=(Job.priority.desc(), Job.id))
"""In which round of turns a queued job comes, if none of those before it must wait for something else."""


def measured(session: Session, alike: Alike, most: int = 20) -> list[tuple[float, int]]:
    """How long the last such jobs ran, newest first: seconds, and the network forwards that they took."""
    query = (
        select(Job.run_seconds, Job.cost_forwards)
        .where(Job.status == JobStatus.SUCCEEDED, Job.kind == alike.kind, Job.run_seconds.is_not(None))
        .where(Job.recipe_digest == alike.recipe_digest, Job.prior_sha256 == alike.prior_sha256)
        .order_by(Job.finished_at.desc())
        .limit(most)
    )
    return [(seconds, forwards) for seconds, forwards in session.execute(query) if seconds is not None]


def latest_seconds(session: Session, most: int = 20) -> list[float]:
    """How long the last jobs of any kind ran, newest first: how soon a worker is likely to be free."""
    query = select(Job.run_seconds).where(Job.status == JobStatus.SUCCEEDED, Job.run_seconds.is_not(None))
    return [seconds for seconds in session.scalars(query.order_by(Job.finished_at.desc()).limit(most)) if seconds]

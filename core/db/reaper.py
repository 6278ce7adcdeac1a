"""The queue's second look: what dead workers hold, what came too late, what waits in vain, what should be cancelled.

Every worker calls it every few seconds; of several at once one works and the others go on.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Session, aliased

from core.db import stations
from core.db.queue import NO_CHECKPOINT, QUEUED, RUNNING, move
from core.db.session import now_of
from core.db.stations import Inquest
from core.db.tables import Job
from core.domain.job import JobEvent, JobStatus

_LOCK = 0x6865_6972_0001
"""Postgres names advisory locks by number; this one is the reaper's."""
LOST: dict[str, Any] = {
    "code": "worker_lost",
    "detail": "The workers that ran this job died, three times.",
    "advice": "Retry it; if it happens again, this photo or album may be what ends them: tell the operator.",
    "retryable": True,
}
TOO_LATE: dict[str, Any] = {
    "code": "deadline_exceeded",
    "detail": "No worker could begin this job before its start_by.",
    "advice": "Retry it with a later start_by, or without one.",
    "retryable": True,
}


@dataclass(frozen=True)
class Reaped:
    """What one pass over the queue found: ids of jobs.

    Attributes:
        requeued: their lease was over.
        quarantined: their worker died for the third time.
        cancelled: their owner had asked for it, and no worker was there to do it.
        expired: not begun by their `start_by`.
        orphaned: their checkpoint will not come.
        set_aside: stations that are to blame for the deaths of their workers; names, not jobs.
    """

    requeued: list[str] = field(default_factory=list)
    quarantined: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    expired: list[str] = field(default_factory=list)
    orphaned: list[str] = field(default_factory=list)
    set_aside: list[str] = field(default_factory=list)


def reap(session: Session, most: int = 100, grace: timedelta = timedelta(0), *, judges: bool = True) -> Reaped:
    """Take back what dead workers hold, cancel, expire and end what waits in vain.

    Args:
        session: the transaction.
        most: jobs of each kind in one pass, so that the transaction stays short.
        grace: nobody is judged dead while the database server itself has been up for less than this: until then the
            living had no chance to say so. The lease is the right length.
        judges: whether anybody may be judged dead at all.
    """
    found = Reaped()
    if not _alone(session):
        return found
    now = now_of(session)
    inquest = Inquest(now)
    if judges and not _just_started(session, now - grace):
        _take_back(session, inquest, most, found)
    for job in _locked(session, select(Job).where(QUEUED, Job.cancel_requested.is_(True)), most):
        _end(session, job, JobEvent.CANCELLED, now, None, found.cancelled)
    late = select(Job).where(QUEUED, Job.start_by <= now, Job.started_at.is_(None))
    for job in _locked(session, late, most):
        _end(session, job, JobEvent.EXPIRED, now, TOO_LATE, found.expired)
    for job in _locked(session, _in_vain(), most):
        _end(session, job, JobEvent.FAILED, now, NO_CHECKPOINT, found.orphaned)
    inquest.write(session)
    return found


def _alone(session: Session) -> bool:
    if session.get_bind().dialect.name == "sqlite":
        return True  # a writing transaction is alone there
    return bool(session.scalar(select(func.pg_try_advisory_xact_lock(_LOCK))))


def _just_started(session: Session, moment: datetime) -> bool:
    if session.get_bind().dialect.name == "sqlite":
        return False  # there is no server: the database was there as long as the file was
    return bool(session.scalar(select(func.pg_postmaster_start_time() > moment)))


def _take_back(session: Session, inquest: Inquest, most: int, found: Reaped) -> None:
    lost = select(Job).where(RUNNING, or_(Job.lease_until.is_(None), Job.lease_until < inquest.now))
    in_hand: dict[str | None, list[Job]] = {}
    for job in sorted(_locked(session, lost, most), key=lambda job: job.lease_until or inquest.now):
        in_hand.setdefault(job.worker_id, []).append(job)
    for worker_id, held in in_hand.items():
        blamed = inquest.blames_station(session, worker_id, [job.id for job in held])
        for job in held:
            _give_back(session, job, inquest.now, found, excused=blamed and stations.excuses(session, job.id))
    for station, job_ids in inquest.blamed.items():
        found.set_aside.append(station)
        _take_marks_back(session, job_ids)
    session.flush()


def _give_back(session: Session, job: Job, now: datetime, found: Reaped, *, excused: bool) -> None:
    worker_id = job.worker_id
    if excused:
        move(session, job, JobEvent.WORKER_BLAMED, now, {"worker_id": worker_id})
    else:
        move(session, job, JobEvent.LEASE_LOST, now, {"crashes": job.crashes + 1, "worker_id": worker_id})
    if job.status == JobStatus.QUARANTINED:
        job.error = LOST
        found.quarantined.append(job.id)
    elif job.status == JobStatus.CANCELLED:
        found.cancelled.append(job.id)
    else:
        found.requeued.append(job.id)


def _take_marks_back(session: Session, job_ids: Collection[str]) -> None:
    """The deaths before, for which jobs got a mark each, were not theirs either; they need not wait for another try."""
    marked = select(Job).where(QUEUED, Job.id.in_(job_ids), Job.crashes > 0)
    for job in _locked(session, marked, len(job_ids)):
        if stations.excuses(session, job.id):
            job.crashes, job.run_after = job.crashes - 1, None


def _in_vain() -> Select[Any]:
    """Queued jobs that wait for one that ended otherwise, or that is not there any more."""
    waited = aliased(Job)
    fulfillable = (JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.SUCCEEDED)
    hope = select(waited.id).where(waited.id == Job.waits_for_job_id, waited.status.in_(fulfillable)).exists()
    return select(Job).where(QUEUED, Job.waits_for_job_id.is_not(None), ~hope)


def _locked(session: Session, query: Select[Any], most: int) -> list[Job]:
    query = query.order_by(Job.id).limit(most).with_for_update(skip_locked=True, of=Job)
    return list(session.scalars(query.execution_options(populate_existing=True)))


def _end(
    session: Session, job: Job, event: JobEvent, now: datetime, error: dict[str, Any] | None, ended: list[str]
) -> None:
    if job.status == JobStatus.QUEUED:  # it may have ended with one before it in the same list, for which it waited
        move(session, job, event, now, error=error)
        ended.append(job.id)

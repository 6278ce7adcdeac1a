"""The jobs table as the queue: every move of a job, guarded in its WHERE and remembered in its timeline.

The fence is the attempt number: a worker that was given up and comes back has an older one, and hits no row.
Each function is one statement or a few in the caller's transaction; none commits.
"""

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, String, delete, func, literal, or_, select, update
from sqlalchemy.orm import Session, aliased

from core.db import events, outbox, turns
from core.db.session import now_of
from core.db.tables import Checkpoint, Job, StageOutput
from core.domain.errors import LeaseLostError
from core.domain.job import ENDED_JOB_LIFE, TRANSITIONS, JobEvent, JobKind, JobStage, JobState, JobStatus, advance
from core.domain.subject import CheckpointStatus

QUEUED: ColumnElement[bool] = Job.status == literal(JobStatus.QUEUED.value, String, literal_execute=True)
RUNNING: ColumnElement[bool] = Job.status == literal(JobStatus.RUNNING.value, String, literal_execute=True)
"""Written into the statement, not bound to it: a partial index serves only conditions that visibly imply its own."""
NO_CHECKPOINT: dict[str, Any] = {
    "code": "checkpoint_not_ready",
    "detail": "The checkpoint this job waited for was not made.",
    "advice": "See that job's error, tune the album again, then retry this one.",
    "retryable": False,
}


@dataclass(frozen=True)
class Claim:
    """What a worker may say of itself when it takes a job.

    Attributes:
        worker_id: its row.
        lease: how long the job is its own without a heartbeat.
        priors: hashes of the priors it has; None: any.
        kinds: of jobs it takes; None: all.
    """

    worker_id: str
    lease: timedelta
    priors: Sequence[str] | None = None
    kinds: Sequence[str] | None = None


@dataclass(frozen=True)
class Heartbeat:
    """What the database answers to a sign of life.

    Attributes:
        alive: the attempt is still this worker's; if not, it drops everything.
        cancel_requested: stop at the next step.
    """

    alive: bool
    cancel_requested: bool = False


def claim(session: Session, wanted: Claim) -> Job | None:
    """Take the first job that may run of the owner whose turn it is, or None. Two workers never get the same one."""
    claimable = _claimable(session, wanted)
    for owner_id in turns.in_turn(session, claimable):
        found = _first(*claimable, Job.owner_id == owner_id).limit(1)
        job = session.scalars(found.with_for_update(skip_locked=True, of=Job)).first()
        if job is not None:  # else others have taken this owner's at this moment
            turns.served(session, owner_id)
            return _taken(session, job, wanted)
    return None


def claim_companions(session: Session, leader: Job, wanted: Claim, most: int) -> list[Job]:
    """Take more jobs with the leader's `batch_key`: one checkpoint loaded, one batch, many photos.

    A job whose worker died runs alone from then on: if it is what kills them, it takes no others with it.
    """
    if leader.batch_key is None or leader.crashes or most < 1:
        return []
    alike = (Job.batch_key == leader.batch_key, Job.crashes == 0)
    found = _first(*_claimable(session, wanted), *alike).limit(most)
    jobs = session.scalars(found.with_for_update(skip_locked=True, of=Job)).all()
    return [_taken(session, job, wanted) for job in jobs]


def give_back_unheard(session: Session, worker_id: str, told: Collection[tuple[str, int]]) -> list[str]:
    """Put jobs back that a worker has taken without knowing: its claim was written, and the answer never came.

    Otherwise they would wait for their lease, and be marked by a crash that nobody had.

    Args:
        session: the transaction.
        worker_id: who asks; it has no job in hand.
        told: id and attempt of every job that it knows it has taken.

    Returns:
        Their ids.
    """
    taken = select(Job).where(RUNNING, Job.worker_id == worker_id).order_by(Job.id)
    now, given_back = now_of(session), []
    for job in session.scalars(taken.with_for_update(of=Job).execution_options(populate_existing=True)).all():
        if (job.id, job.attempt) not in told:
            move(session, job, JobEvent.DRAINED, now, {"worker_id": worker_id})
            given_back.append(job.id)
    return given_back


def _claimable(session: Session, wanted: Claim) -> list[ColumnElement[bool]]:
    now = now_of(session)
    waited = aliased(Job)
    ready = or_(
        Job.waits_for_job_id.is_(None),
        select(waited.id).where(waited.id == Job.waits_for_job_id, waited.status == JobStatus.SUCCEEDED).exists(),
    )
    conditions = [
        QUEUED,
        Job.cancel_requested.is_(False),
        or_(Job.run_after.is_(None), Job.run_after <= now),
        or_(Job.start_by.is_(None), Job.start_by > now, Job.started_at.is_not(None)),
        ready,
    ]
    if wanted.priors is not None:
        conditions.append(Job.prior_sha256.in_(wanted.priors))
    if wanted.kinds is not None:
        conditions.append(Job.kind.in_(wanted.kinds))
    return conditions


def _first(*conditions: ColumnElement[bool]) -> Select[Job]:
    query = select(Job).where(*conditions).order_by(Job.priority.desc(), Job.id)
    return query.execution_options(populate_existing=True)


def _taken(session: Session, job: Job, wanted: Claim) -> Job:
    now = now_of(session)
    move(
        session,
        job,
        JobEvent.CLAIMED,
        now,
        {"worker_id": wanted.worker_id},
        worker_id=wanted.worker_id,
        lease_until=now + wanted.lease,
        stage=JobStage.INTAKE,
        progress_done=0,
        progress_total=0,
        error=None,
    )
    return job


def move(
    session: Session, job: Job, event: JobEvent, now: datetime, data: dict[str, Any] | None = None, **columns: Any
) -> None:
    """Move a job by the table of `core.domain.job`, guarded by status and attempt, write its timeline, and tell.

    What would go back into the queue, but was to be cancelled, is cancelled: nobody would claim it any more. What ends
    without success takes with it what hoped for it (`settle`).

    Args:
        session: the transaction.
        job: as the caller knows it; brought up to date.
        event: what happened.
        now: the database's clock.
        data: for the timeline.
        columns: further values to set with it.

    Raises:
        InvalidTransitionError: the table has no such move.
        LeaseLostError: the row is not as the caller knows it: somebody moved first.
    """
    before = (job.status, job.attempt)
    if job.cancel_requested and TRANSITIONS.get((JobStatus(job.status), event)) is JobStatus.QUEUED:
        event, columns = JobEvent.CANCELLED, {**columns, "error": None}
    state = JobState(
        JobStatus(job.status), job.attempt, job.crashes, job.faults, job.run_after, job.started_at, job.finished_at
    )
    moved = advance(state, event, now, jitter=random.random())  # noqa: S311  # spreads retries; nothing secret
    values: dict[str, Any] = {
        "status": moved.status,
        "attempt": moved.attempt,
        "crashes": moved.crashes,
        "faults": moved.faults,
        "run_after": moved.run_after,
        "started_at": moved.started_at,
        "finished_at": moved.finished_at,
        **columns,
    }
    if moved.status.terminal:
        values.setdefault("expires_at", job.expires_at or now + ENDED_JOB_LIFE)
    if moved.status is not JobStatus.RUNNING:
        values |= {"lease_until": None, "worker_id": None}
    if moved.status is JobStatus.QUEUED:
        values |= {"stage": None, "progress_done": 0, "progress_total": 0}
    hit = session.execute(
        update(Job)
        .where(Job.id == job.id, Job.status == before[0], Job.attempt == before[1])
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    if hit.rowcount != 1:  # type: ignore[attr-defined]  # a CursorResult, which the stubs call a Result
        raise LeaseLostError(f"The job {job.id} has moved on.")
    session.refresh(job)
    events.append(session, job, moved.status if moved.status.terminal else event, now, data)
    outbox.job_moved(session, job, now)
    session.flush()  # the event gets its number while the job is locked: a job's numbers are in the order of commits
    if moved.status.terminal:
        settle(session, job, now)


def settle(session: Session, job: Job, now: datetime) -> None:
    """What an ended job leaves: no stage outputs; without success no checkpoint either, and nobody who waits for it."""
    session.execute(delete(StageOutput).where(StageOutput.job_id == job.id))
    if job.status == JobStatus.SUCCEEDED:
        if job.kind != JobKind.RESTORATION:
            _wait_for_next(session, job)
        return
    session.execute(
        update(Checkpoint)
        .where(Checkpoint.job_id == job.id, Checkpoint.status == CheckpointStatus.PENDING)
        .values(status=CheckpointStatus.FAILED)
    )
    fail_waiting(session, job.id, now)


def fenced(session: Session, job_id: str, attempt: int, **columns: Any) -> Job:
    """Lock a job that is still this attempt's, and set columns: the guard in front of everything a worker writes.

    Raises:
        LeaseLostError: it is not; the caller rolls back and drops what it has.
    """
    job = session.scalars(
        select(Job)
        .where(Job.id == job_id, Job.attempt == attempt, Job.status == JobStatus.RUNNING)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).first()
    if job is None:
        raise LeaseLostError(f"The job {job_id} is not this attempt's any more.")
    for name, value in columns.items():
        setattr(job, name, value)
    session.flush()
    return job


def heartbeat(session: Session, job_id: str, attempt: int, lease: timedelta) -> Heartbeat:
    """A sign of life: the lease begins anew."""
    row = session.execute(
        update(Job)
        .where(Job.id == job_id, Job.attempt == attempt, Job.status == JobStatus.RUNNING)
        .values(lease_until=now_of(session) + lease)
        .returning(Job.cancel_requested)
        .execution_options(synchronize_session=False)
    ).first()
    return Heartbeat(alive=row is not None, cancel_requested=bool(row and row[0]))


def request_cancel(session: Session, owner_id: str, job_id: str) -> Job | None:
    """Cancel a queued job at once, ask a running one to stop, leave an ended one; None where there is none."""
    query = select(Job).where(Job.owner_id == owner_id, Job.id == job_id).with_for_update()
    job = session.scalars(query.execution_options(populate_existing=True)).first()
    if job is None or JobStatus(job.status).terminal:
        return job
    now = now_of(session)
    if job.status == JobStatus.QUEUED:
        move(session, job, JobEvent.CANCELLED, now, cancel_requested=True)
    elif not job.cancel_requested:
        job.cancel_requested = True
        events.append(session, job, "cancel_requested", now)
        session.flush()
    return job


def _wait_for_next(session: Session, ended: Job) -> None:
    """Let those who waited for this checkpoint wait for the next one that they need, where that is not there yet.

    A group photo may need several; `options` names all of them. That one of those failed meanwhile is found out by the
    reaper.
    """
    waiting = select(Job).where(Job.waits_for_job_id == ended.id, QUEUED).order_by(Job.id).with_for_update()
    for job in session.scalars(waiting.execution_options(populate_existing=True)).all():
        others = [job_id for job_id in job.options.get("waits_for_job_ids", []) if job_id != ended.id]
        there = select(Job.id).where(Job.id.in_(others), Job.status == JobStatus.SUCCEEDED)
        missing = sorted(set(others) - set(session.scalars(there)))
        if missing:
            job.waits_for_job_id = missing[0]
    session.flush()


def fail_waiting(session: Session, job_id: str, now: datetime) -> list[str]:
    """End the jobs that wait for a checkpoint which will not come, and by `settle` those that wait for them."""
    waiting = select(Job).where(Job.waits_for_job_id == job_id, QUEUED).order_by(Job.id).with_for_update()
    ended = []
    for job in session.scalars(waiting.execution_options(populate_existing=True)).all():
        move(session, job, JobEvent.FAILED, now, error=NO_CHECKPOINT)
        ended.append(job.id)
    return ended


def depth(session: Session) -> int:
    """How many jobs are queued."""
    return session.scalar(select(func.count()).select_from(Job).where(QUEUED)) or 0

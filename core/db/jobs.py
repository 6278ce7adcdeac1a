"""Jobs as their owner sees them: made, found, listed, counted."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, bindparam, delete, func, or_, select
from sqlalchemy.orm import Session

from core.db import events
from core.db.session import now_of
from core.db.tables import Job, RestorationCheckpoint, StageOutput
from core.domain.job import JobKind


def insert(session: Session, job: Job) -> Job:
    """Put a job into the queue: it exists once the caller's transaction is committed."""
    session.add(job)
    session.flush()
    events.append(session, job, "created", now_of(session), {"kind": job.kind})
    return job


def get(session: Session, owner_id: str, job_id: str) -> Job | None:
    """An owner's job."""
    return session.scalars(_ONE, {"owner_id": owner_id, "job_id": job_id}).first()


# Built once: a poll is one look-up, and building the statement would take longer than the database does.
_ONE = select(Job).where(Job.owner_id == bindparam("owner_id"), Job.id == bindparam("job_id"))


def listed(
    session: Session,
    owner_id: str,
    limit: int,
    before_id: str | None = None,
    *,
    status: str | None = None,
    kind: str | None = None,
    subject_id: str | None = None,
) -> Sequence[Job]:
    """An owner's jobs, newest first, those older than `before_id`."""
    query = select(Job).where(Job.owner_id == owner_id).order_by(Job.id.desc()).limit(limit)
    for column, value in ((Job.status, status), (Job.kind, kind)):
        query = query if value is None else query.where(column == value)
    query = query if subject_id is None else query.where(of_subject(owner_id, subject_id))
    return session.scalars(query if before_id is None else query.where(Job.id < before_id)).all()


def count_open(session: Session, owner_id: str) -> int:
    """How many of an owner's jobs are queued or running."""
    query = select(func.count()).select_from(Job).where(Job.owner_id == owner_id, Job.finished_at.is_(None))
    return session.scalar(query) or 0


def restoring_with(session: Session, owner_id: str, checkpoint_id: str) -> bool:
    """Whether a restoration that has not ended needs a checkpoint."""
    query = (
        select(Job.id)
        .where(Job.owner_id == owner_id, Job.kind == JobKind.RESTORATION, Job.finished_at.is_(None))
        .where(or_(Job.checkpoint_id == checkpoint_id, needs_checkpoint(checkpoint_id)))
        .limit(1)
    )
    return session.scalars(query).first() is not None


def needs_checkpoint(checkpoint_id: object) -> ColumnElement[bool]:
    """Whether a job's restoration names a checkpoint for one of its faces; for a WHERE on jobs.

    Args:
        checkpoint_id: which, or the column that says it.
    """
    named = select(RestorationCheckpoint.restoration_id).where(RestorationCheckpoint.checkpoint_id == checkpoint_id)
    return Job.restoration_id.in_(named)


def of_subject(owner_id: str, subject_id: str) -> ColumnElement[bool]:
    """A subject's own jobs, and restorations that use one of its checkpoints."""
    named = select(RestorationCheckpoint.restoration_id).where(
        RestorationCheckpoint.owner_id == owner_id, RestorationCheckpoint.subject_id == subject_id
    )
    return or_(Job.subject_id == subject_id, Job.restoration_id.in_(named))


def open_of(session: Session, owner_id: str, subject_id: str) -> Sequence[str]:
    """The ids of a subject's jobs that have not ended."""
    query = select(Job.id).where(Job.owner_id == owner_id, of_subject(owner_id, subject_id), Job.finished_at.is_(None))
    return session.scalars(query).all()


def forget_outputs(session: Session, owner_id: str, subject_id: str) -> None:
    """Forget what the stages of a subject's jobs made: crops, anchors, states."""
    theirs = select(Job.id).where(Job.owner_id == owner_id, of_subject(owner_id, subject_id))
    session.execute(
        delete(StageOutput)
        .where(StageOutput.owner_id == owner_id, StageOutput.job_id.in_(theirs))
        .execution_options(synchronize_session=False)
    )


def some(session: Session, owner_id: str, job_ids: Sequence[str]) -> Sequence[Job]:
    """Several of an owner's jobs, in no order."""
    return session.scalars(select(Job).where(Job.owner_id == owner_id, Job.id.in_(job_ids))).all()

"""Restorations as their owner sees them, with their candidates."""

from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, Text, cast, delete, or_, select
from sqlalchemy.orm import Session

from core.db import files
from core.db.outbox import WEBHOOK_OPTION
from core.db.tables import CandidateRow, Job, Restoration, RestorationCheckpoint
from core.domain.job import JobStatus


def insert(session: Session, restoration: Restoration) -> Restoration:
    """A new restoration."""
    session.add(restoration)
    session.flush()
    return restoration


def get(session: Session, owner_id: str, restoration_id: str, *, lock: bool = False) -> Restoration | None:
    """An owner's restoration."""
    query = select(Restoration).where(Restoration.owner_id == owner_id, Restoration.id == restoration_id)
    return session.scalars(query.with_for_update() if lock else query).first()


def made_by(session: Session, owner_id: str, restoration_id: str) -> str | None:
    """The id of its job as it is now, the restoration locked; None where it was deleted."""
    query = select(Restoration.job_id).where(Restoration.owner_id == owner_id, Restoration.id == restoration_id)
    return session.scalars(query.with_for_update()).first()


def listed(
    session: Session, owner_id: str, limit: int, before_id: str | None = None, subject_id: str | None = None
) -> Sequence[Restoration]:
    """An owner's restorations, newest first, those older than `before_id`."""
    query = select(Restoration).where(Restoration.owner_id == owner_id).order_by(Restoration.id.desc()).limit(limit)
    query = query if subject_id is None else query.where(_with_subject(owner_id, subject_id))
    return session.scalars(query if before_id is None else query.where(Restoration.id < before_id)).all()


def candidates_of(session: Session, owner_id: str, restoration_ids: Sequence[str]) -> Sequence[CandidateRow]:
    """The candidates of some restorations, face by face, best first."""
    query = select(CandidateRow).where(
        CandidateRow.owner_id == owner_id, CandidateRow.restoration_id.in_(restoration_ids)
    )
    return session.scalars(query.order_by(CandidateRow.restoration_id, CandidateRow.face, CandidateRow.number)).all()


def of_subject(session: Session, owner_id: str, subject_id: str) -> Sequence[Restoration]:
    """All restorations that a subject's checkpoints made, or are to make."""
    query = select(Restoration).where(Restoration.owner_id == owner_id, _with_subject(owner_id, subject_id))
    return session.scalars(query).all()


def _with_subject(owner_id: str, subject_id: str) -> ColumnElement[bool]:
    named = select(RestorationCheckpoint.restoration_id).where(
        RestorationCheckpoint.owner_id == owner_id, RestorationCheckpoint.subject_id == subject_id
    )
    return or_(Restoration.subject_id == subject_id, Restoration.id.in_(named))


def forget_proposals(session: Session, owner_id: str, subject_id: str) -> None:
    """Take a subject's name out of what was only supposed: faces that may have been theirs."""
    named = cast(Restoration.faces, Text).contains(subject_id, autoescape=True)
    rows = select(Restoration).where(Restoration.owner_id == owner_id, named).with_for_update()
    for row in session.scalars(rows.order_by(Restoration.id)):
        forget_proposals_of(row, subject_id)
    session.flush()


def forget_proposals_of(row: Restoration, subject_id: str) -> None:
    """Take a subject's name out of what one restoration supposes."""
    supposed = [(entry.get("proposal") or {}).get("subject_id") == subject_id for entry in row.faces]
    row.faces = [
        entry | {"proposal": None} if theirs else entry for entry, theirs in zip(row.faces, supposed, strict=True)
    ]


def name_checkpoints(session: Session, restoration: Restoration, subjects: Mapping[str, str]) -> None:
    """Say with whose checkpoints a restoration is made, whoever was named before.

    Args:
        session: the transaction.
        restoration: which; it is in the database.
        subjects: by checkpoint id, whose it is.
    """
    session.execute(delete(RestorationCheckpoint).where(RestorationCheckpoint.restoration_id == restoration.id))
    session.add_all(
        RestorationCheckpoint(
            restoration_id=restoration.id,
            checkpoint_id=checkpoint_id,
            subject_id=subject_id,
            owner_id=restoration.owner_id,
        )
        for checkpoint_id, subject_id in subjects.items()
    )
    session.flush()


def checkpoints_of(session: Session, owner_id: str, restoration_id: str) -> dict[str, str]:
    """With whose checkpoints a restoration is made: checkpoint id → subject id."""
    query = select(RestorationCheckpoint).where(
        RestorationCheckpoint.owner_id == owner_id, RestorationCheckpoint.restoration_id == restoration_id
    )
    return {
        row.checkpoint_id: row.subject_id
        for row in session.scalars(query.order_by(RestorationCheckpoint.checkpoint_id))
    }


def delete_some(session: Session, owner_id: str, restoration_ids: Sequence[str]) -> int:
    """Forget restorations, what they gave, and the photos that came along with them; how many of those."""
    ids = list(restoration_ids)
    _tell_nobody_else(session, owner_id, ids)
    photos = select(Restoration.file_id).where(Restoration.owner_id == owner_id, Restoration.id.in_(ids))
    file_ids = [file_id for file_id in session.scalars(photos) if file_id is not None]
    mine = CandidateRow.owner_id == owner_id
    session.execute(delete(CandidateRow).where(mine, CandidateRow.restoration_id.in_(ids)))
    links = (RestorationCheckpoint.owner_id == owner_id, RestorationCheckpoint.restoration_id.in_(ids))
    session.execute(delete(RestorationCheckpoint).where(*links))
    session.execute(delete(Restoration).where(Restoration.owner_id == owner_id, Restoration.id.in_(ids)))
    return files.delete_left_behind(session, owner_id, file_ids)


def _tell_nobody_else(session: Session, owner_id: str, restoration_ids: Sequence[str]) -> None:
    """Take the caller's own address out of their jobs, which stay for a while; before the restorations are locked."""
    newest = select(Restoration.job_id).where(Restoration.owner_id == owner_id, Restoration.id.in_(restoration_ids))
    job_ids = set(session.scalars(newest))
    while job_ids:  # a job that was retried handed the address on
        look = select(Job.id, Job.options, Job.retry_of).where(Job.owner_id == owner_id, Job.id.in_(job_ids))
        telling = [(job_id, before) for job_id, options, before in session.execute(look) if WEBHOOK_OPTION in options]
        jobs = select(Job).where(Job.id.in_([job_id for job_id, _ in telling])).order_by(Job.id).with_for_update()
        for job in session.scalars(jobs.execution_options(populate_existing=True)):
            job.options = {name: value for name, value in job.options.items() if name != WEBHOOK_OPTION}
        job_ids = {before for _, before in telling if before is not None}
    session.flush()


def open_with_file(session: Session, owner_id: str, file_id: str) -> bool:
    """Whether a job that has not ended restores this file."""
    query = (
        select(Restoration.id)
        .join(Job, Job.id == Restoration.job_id)
        .where(Restoration.owner_id == owner_id, Restoration.file_id == file_id)
        .where(Job.status.in_((JobStatus.QUEUED, JobStatus.RUNNING)))
        .limit(1)
    )
    return session.scalars(query).first() is not None

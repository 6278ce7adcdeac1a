"""Subjects as their owner sees them: the deleted are not there any more."""

from collections.abc import Collection, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.db.tables import Subject


def insert(session: Session, subject: Subject) -> Subject:
    """A new subject."""
    session.add(subject)
    session.flush()
    return subject


def get(session: Session, owner_id: str, subject_id: str, *, lock: bool = False) -> Subject | None:
    """An owner's subject.

    Args:
        session: the transaction.
        owner_id: whose.
        subject_id: which.
        lock: until the transaction ends nobody else changes it, its album or its checkpoints.
    """
    query = select(Subject).where(Subject.owner_id == owner_id, Subject.id == subject_id, Subject.deleted_at.is_(None))
    return session.scalars(query.with_for_update() if lock else query).first()


def listed(session: Session, owner_id: str, limit: int, before_id: str | None = None) -> Sequence[Subject]:
    """An owner's subjects, newest first, those older than `before_id`."""
    query = select(Subject).where(Subject.owner_id == owner_id, Subject.deleted_at.is_(None))
    query = query if before_id is None else query.where(Subject.id < before_id)
    return session.scalars(query.order_by(Subject.id.desc()).limit(limit)).all()


def deleted(session: Session, subject_ids: Collection[str]) -> list[str]:
    """Those among some ids that are there no more."""
    query = select(Subject.id).where(Subject.id.in_(subject_ids), Subject.deleted_at.is_(None))
    return sorted(set(subject_ids) - set(session.scalars(query)))

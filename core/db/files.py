"""Files as their owner sees them: uploads and results."""

from collections.abc import Sequence

from sqlalchemy import delete as sql_delete
from sqlalchemy import select
from sqlalchemy.orm import Session

from core.db.tables import File


def insert(session: Session, file: File) -> File:
    """Name a blob; the caller marks it ready in the same transaction (`core.db.blobs.mark_ready`)."""
    session.add(file)
    session.flush()
    return file


def get(session: Session, owner_id: str, file_id: str, *, keep: bool = False, lock: bool = False) -> File | None:
    """An owner's file.

    Args:
        session: the transaction.
        owner_id: whose.
        file_id: which.
        keep: until the transaction ends nobody deletes it; others may keep it, too.
        lock: nobody keeps it either: it is to be deleted.
    """
    query = select(File).where(File.owner_id == owner_id, File.id == file_id)
    return session.scalars(query.with_for_update(read=keep) if keep or lock else query).first()


def listed(session: Session, owner_id: str, limit: int, before_id: str | None = None) -> Sequence[File]:
    """An owner's files, newest first, those older than `before_id`."""
    query = select(File).where(File.owner_id == owner_id).order_by(File.id.desc()).limit(limit)
    return session.scalars(query if before_id is None else query.where(File.id < before_id)).all()


def delete(session: Session, owner_id: str, file_id: str) -> bool:
    """Take the name away; whether there was one. The bytes are swept once nothing names them."""
    statement = sql_delete(File).where(File.owner_id == owner_id, File.id == file_id).returning(File.id)
    return session.execute(statement).first() is not None

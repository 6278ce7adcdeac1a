"""Files as their owner sees them: uploads and results."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy import delete as sql_delete
from sqlalchemy.orm import Session

from core.db.tables import AlbumPhoto, File, Job, Restoration


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


def present(session: Session, owner_id: str, file_ids: Sequence[str]) -> Sequence[str]:
    """Those among some ids of an owner's that are still files, oldest first."""
    return session.scalars(
        select(File.id).where(File.owner_id == owner_id, File.id.in_(file_ids)).order_by(File.id)
    ).all()


def listed(session: Session, owner_id: str, limit: int, before_id: str | None = None) -> Sequence[File]:
    """An owner's files, newest first, those older than `before_id`."""
    query = select(File).where(File.owner_id == owner_id).order_by(File.id.desc()).limit(limit)
    return session.scalars(query if before_id is None else query.where(File.id < before_id)).all()


def delete(session: Session, owner_id: str, file_id: str) -> bool:
    """Take the name away; whether there was one. The bytes are swept once nothing names them."""
    statement = sql_delete(File).where(File.owner_id == owner_id, File.id == file_id).returning(File.id)
    return session.execute(statement).first() is not None


def left_behind() -> ColumnElement[bool]:
    """A photo that came along with a restoration, and that no restoration names any more.

    Such a photo has no time of its own (`expires_at` is empty): it goes with the last restoration of it.
    """
    named = select(Restoration.id).where(Restoration.file_id == File.id).exists()
    return File.expires_at.is_(None) & ~named


def delete_left_behind(session: Session, owner_id: str, file_ids: Sequence[str]) -> int:
    """Take those among some files away that are left behind; how many they were."""
    over = (File.owner_id == owner_id, File.id.in_(file_ids), left_behind())
    # One that somebody is asking for at this moment is not waited for: those who ask lock subjects afterwards.
    found = session.scalars(select(File.id).where(*over).with_for_update(skip_locked=True)).all()
    # Asked again, now that nobody can begin to need them.
    gone = sql_delete(File).where(File.id.in_(found), *over[2:]).returning(File.id)
    return len(session.scalars(gone.execution_options(synchronize_session=False)).all())


def used_for(session: Session, owner_id: str, subject_id: str, restored: Sequence[str]) -> Sequence[str]:
    """The ids of files that a subject's album or its restorations were made from, oldest first.

    Args:
        session: the transaction.
        owner_id: whose.
        subject_id: its album photos are found by their bytes, its zips by what its albums' jobs name.
        restored: the files of its restorations.
    """
    theirs = (AlbumPhoto.owner_id == owner_id, AlbumPhoto.subject_id == subject_id)
    jobs = select(Job.options).where(Job.owner_id == owner_id, Job.subject_id == subject_id)
    sent = [file_id for options in session.scalars(jobs) for file_id in options.get("file_ids", ())]
    photos = select(AlbumPhoto.blob_sha256).where(*theirs)
    query = select(File.id).where(File.owner_id == owner_id).order_by(File.id)
    return session.scalars(query.where(or_(File.id.in_([*restored, *sent]), File.blob_sha256.in_(photos)))).all()

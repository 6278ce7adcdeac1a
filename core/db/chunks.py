"""Blobs' bytes in the database, a mebibyte a row. A blob on its way in has a temporary name."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, exists, func, select, tuple_, update
from sqlalchemy.orm import Session

from core.db.session import now_of
from core.db.tables import Blob, BlobChunk

PART = "part-"
"""Temporary names begin so; no hash does."""


def insert(session: Session, owner_id: str, blob: str, number: int, data: bytes) -> None:
    """Append a chunk."""
    chunk = BlobChunk(owner_id=owner_id, blob=blob, n=number, data=data, created_at=now_of(session))
    session.add(chunk)
    session.flush()


def data(session: Session, owner_id: str, blob: str, number: int) -> bytes | None:
    """One chunk's bytes."""
    return session.scalar(select(BlobChunk.data).where(*_of(owner_id, blob), BlobChunk.n == number))


def present(session: Session, owner_id: str, blob: str) -> bool:
    """Whether there is such a blob: an empty one has a chunk, too."""
    return bool(session.scalar(select(exists().where(*_of(owner_id, blob), BlobChunk.n == 0))))


def rename(session: Session, owner_id: str, before: str, after: str) -> int:
    """Give a blob its final name; how many chunks it has. What had that name goes."""
    drop(session, owner_id, after)
    statement = update(BlobChunk).where(*_of(owner_id, before)).values(blob=after)
    return _rows(session.execute(statement.execution_options(synchronize_session=False)))


def drop(session: Session, owner_id: str, blob: str) -> int:
    """Remove a blob's chunks; how many there were."""
    statement = delete(BlobChunk).where(*_of(owner_id, blob))
    return _rows(session.execute(statement.execution_options(synchronize_session=False)))


def finished(
    session: Session, after: tuple[str, str], renewed_before: datetime | None = None, limit: int = 500
) -> Sequence[Blob]:
    """The next blobs whose bytes stand here, by owner and hash."""
    first = and_(BlobChunk.owner_id == Blob.owner_id, BlobChunk.blob == Blob.sha256, BlobChunk.n == 0)
    query = select(Blob).where(exists().where(first), tuple_(Blob.owner_id, Blob.sha256) > after)
    if renewed_before is not None:
        query = query.where(Blob.renewed_at <= renewed_before)
    return session.scalars(query.order_by(Blob.owner_id, Blob.sha256).limit(limit)).all()


def abandoned(session: Session, before: datetime) -> list[tuple[str, str]]:
    """Owner and temporary name of the blobs that nobody has added to since then."""
    query = (
        select(BlobChunk.owner_id, BlobChunk.blob)
        .where(BlobChunk.blob.like(f"{PART}%"))
        .group_by(BlobChunk.owner_id, BlobChunk.blob)
        .having(func.max(BlobChunk.created_at) <= before)
    )
    return [(owner_id, blob) for owner_id, blob in session.execute(query)]


def _of(owner_id: str, blob: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return BlobChunk.owner_id == owner_id, BlobChunk.blob == blob


def _rows(result: Any) -> int:
    count: int = result.rowcount
    return count

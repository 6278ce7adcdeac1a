"""The photos of a subject's album, always in one order: as they came, those that came together by their label."""

from collections.abc import Sequence

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from core.db.tables import AlbumPhoto


def insert(session: Session, photos: Sequence[AlbumPhoto]) -> None:
    """New photos."""
    session.add_all(photos)
    session.flush()


def photos_of(session: Session, owner_id: str, subject_id: str) -> Sequence[AlbumPhoto]:
    """The whole album, in its order."""
    query = select(AlbumPhoto).where(AlbumPhoto.owner_id == owner_id, AlbumPhoto.subject_id == subject_id)
    return session.scalars(query.order_by(AlbumPhoto.created_at, AlbumPhoto.label, AlbumPhoto.blob_sha256)).all()


def get(session: Session, owner_id: str, subject_id: str, photo_id: str) -> AlbumPhoto | None:
    """One photo of a subject's album."""
    query = select(AlbumPhoto).where(AlbumPhoto.owner_id == owner_id, AlbumPhoto.subject_id == subject_id)
    return session.scalars(query.where(AlbumPhoto.id == photo_id)).first()


def delete_of(session: Session, owner_id: str, subject_id: str) -> int:
    """Forget the album; how many photos it had."""
    hit = session.execute(
        delete(AlbumPhoto).where(AlbumPhoto.owner_id == owner_id, AlbumPhoto.subject_id == subject_id)
    )
    return int(hit.rowcount)  # type: ignore[attr-defined]  # a CursorResult, which the stubs call a Result

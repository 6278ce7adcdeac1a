"""The photos of a subject's album, always in one order: as they came, those that came together by their label."""

from collections.abc import Collection, Sequence

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from core.db.tables import AlbumPhoto
from core.domain.subject import PhotoStatus


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


def references(session: Session, owner_id: str, subject_id: str) -> list[bytes]:
    """Embeddings of the album's kept photos, each 128 float32, little-endian: who is who in other photos.

    Biometric: they are for the moment's comparison, and are kept nowhere else.
    """
    query = select(AlbumPhoto.embedding).where(AlbumPhoto.owner_id == owner_id, AlbumPhoto.subject_id == subject_id)
    query = query.where(AlbumPhoto.status == PhotoStatus.KEPT, AlbumPhoto.embedding.is_not(None))
    return [bytes(one) for one in session.scalars(query.order_by(AlbumPhoto.id)) if one is not None]


def held_out_references(
    session: Session, owner_id: str, subject_id: str, photo_ids: Collection[str] | None
) -> list[bytes]:
    """Those of the references that a tuning did not see: what its results may be scored by.

    Args:
        session: the transaction.
        owner_id: whose.
        subject_id: whose album.
        photo_ids: which were held out of that tuning; None: nobody wrote it down, and the last look decides.
    """
    query = select(AlbumPhoto.embedding).where(AlbumPhoto.owner_id == owner_id, AlbumPhoto.subject_id == subject_id)
    unseen = AlbumPhoto.held_out.is_(True) if photo_ids is None else AlbumPhoto.id.in_(photo_ids)
    query = query.where(AlbumPhoto.status == PhotoStatus.KEPT, unseen)
    query = query.where(AlbumPhoto.embedding.is_not(None))
    return [bytes(one) for one in session.scalars(query.order_by(AlbumPhoto.id)) if one is not None]


def thumbnail(session: Session, owner_id: str, subject_id: str, photo_id: str) -> bytes | None:
    """A photo's thumbnail, JPEG; None where it was not looked at yet, or could not be opened."""
    query = select(AlbumPhoto.thumbnail).where(AlbumPhoto.owner_id == owner_id, AlbumPhoto.subject_id == subject_id)
    return session.scalars(query.where(AlbumPhoto.id == photo_id)).first()


def delete_of(session: Session, owner_id: str, subject_id: str) -> int:
    """Forget the album; how many photos it had."""
    hit = session.execute(
        delete(AlbumPhoto).where(AlbumPhoto.owner_id == owner_id, AlbumPhoto.subject_id == subject_id)
    )
    return int(hit.rowcount)  # type: ignore[attr-defined]  # a CursorResult, which the stubs call a Result

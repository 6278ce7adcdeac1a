"""The ledger of blobs: which there are, whether a row names them, when they were last written or named.

With the `database` driver their bytes stand beside it (`core.db.chunks`); with `fs` the ledger alone does.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Insert, delete, func, select, union_all
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from core.db.session import now_of
from core.db.tables import AlbumPhoto, Blob, CandidateRow, Checkpoint, File, Owner, Restoration, StageOutput

STAGING = "staging"
READY = "ready"
_NAMING = (
    (File, File.blob_sha256),
    (AlbumPhoto, AlbumPhoto.blob_sha256),
    (Checkpoint, Checkpoint.blob_sha256),
    (StageOutput, StageOutput.blob_sha256),
    (CandidateRow, CandidateRow.blob_sha256),
    (CandidateRow, CandidateRow.native_sha256),
    (Restoration, Restoration.image_sha256),
)
"""Every column that names a blob. A restoration's faces name more of them, in JSON."""


class BlobName(Protocol):
    """What `core.storage.base.BlobRef` is; this layer stands below it."""

    @property
    def owner_id(self) -> str:
        """Whose."""
        ...

    @property
    def sha256(self) -> str:
        """Of the content."""
        ...

    @property
    def size_bytes(self) -> int:
        """Of the content."""
        ...


def mark_staging(session: Session, blob: BlobName) -> None:
    """A writer stored it, or found it there: young again, and locked until the transaction ends."""
    _upsert(session, blob, STAGING, {"renewed_at": now_of(session), "size_bytes": blob.size_bytes})


def mark_ready(session: Session, *names: BlobName) -> None:
    """Rows of this same transaction name them.

    Give all of a transaction's blobs in one call: they are locked in one order, so that two transactions with the same
    blobs wait for each other instead of for ever.
    """
    for blob in sorted(names, key=lambda name: (name.owner_id, name.sha256)):
        _upsert(session, blob, READY, {"renewed_at": now_of(session), "state": READY})


def _upsert(session: Session, blob: BlobName, state: str, changes: dict[str, Any]) -> None:
    values = {
        "owner_id": blob.owner_id,
        "sha256": blob.sha256,
        "size_bytes": blob.size_bytes,
        "state": state,
        "renewed_at": changes["renewed_at"],
    }
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    statement: Insert = (
        dialect.insert(Blob).values(**values).on_conflict_do_update(index_elements=["owner_id", "sha256"], set_=changes)
    )
    session.execute(statement)


def forget(session: Session, blob: BlobName, not_since: datetime | None = None) -> bool:
    """Strike it off, unless it was written or named after `not_since`; whether it was struck off."""
    statement = delete(Blob).where(Blob.owner_id == blob.owner_id, Blob.sha256 == blob.sha256)
    if not_since is not None:
        statement = statement.where(Blob.renewed_at <= not_since)
    return session.execute(statement.returning(Blob.sha256)).first() is not None


def reserve(session: Session, blob: BlobName) -> bool:
    """Enter what the ledger does not know, so that a writer of it waits until the transaction ends; False: it does."""
    values = {
        "owner_id": blob.owner_id,
        "sha256": blob.sha256,
        "size_bytes": blob.size_bytes,
        "state": STAGING,
        "renewed_at": now_of(session),
    }
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    statement = dialect.insert(Blob).values(**values).on_conflict_do_nothing().returning(Blob.sha256)
    return session.execute(statement).first() is not None


def renewed_since(session: Session, moment: datetime) -> set[tuple[str, str]]:
    """Owner and hash of what was written or named after that."""
    query = select(Blob.owner_id, Blob.sha256).where(Blob.renewed_at > moment)
    return {(owner_id, sha256) for owner_id, sha256 in session.execute(query)}


def not_renewed_since(session: Session, moment: datetime) -> Sequence[Blob]:
    """What was neither written nor named since then."""
    return session.scalars(select(Blob).where(Blob.renewed_at <= moment)).all()


def owners(session: Session) -> set[str]:
    """Everybody who may have blobs."""
    return set(session.scalars(select(Owner.id)))


def named(session: Session) -> set[tuple[str, str]]:
    """Every (owner, hash) that a row names.

    The caller's transaction must see one moment (`Database.snapshot`): a name that moves from one table to another
    between two queries would be seen in neither.
    """
    columns = [select(table.owner_id, column).where(column.is_not(None)) for table, column in _NAMING]
    found = {(str(owner_id), str(sha256)) for owner_id, sha256 in session.execute(union_all(*columns))}
    return found | set(_named_in_faces(session))


def _named_in_faces(session: Session) -> Iterator[tuple[str, str]]:
    for owner_id, faces in session.execute(
        select(Restoration.owner_id, Restoration.faces).execution_options(yield_per=500)
    ):
        for face in faces:
            pictures = [face.get("crop_sha256"), *_layers_in(face)]
            yield from ((owner_id, sha256) for sha256 in pictures if sha256)


def _layers_in(face: dict[str, Any]) -> list[str]:
    pictures = (face.get("layers") or {}).get("pictures") or {}
    return [picture["sha256"] for picture in pictures.values()]


def bytes_kept(session: Session) -> int:
    """How many bytes the blobs have that rows name; the same bytes of two owners count twice."""
    return session.scalar(select(func.coalesce(func.sum(Blob.size_bytes), 0)).where(Blob.state == READY)) or 0

"""Blobs in the database itself, a mebibyte a row: no second place to back up, and workers on any host reach them.

A chunk is a short transaction of its own, under a temporary name; the last transaction gives all of them their hash for
a name. Reading takes a short transaction a chunk, so that none stays open while a slow client takes the bytes.
"""

import hashlib
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from types import TracebackType
from typing import Self

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from core.db import blobs, chunks
from core.db.session import Database, now_of
from core.domain.errors import DiskFullError, StorageError
from core.storage.base import CHUNK_BYTES, BlobRef, check_owner, check_ref, is_whole, missing, verified

_POSTGRES_DISK_FULL = "53100"


class DatabaseStore:
    """Blobs in `blobs` and `blob_chunks`."""

    def __init__(self, database: Database) -> None:
        """Use a migrated database."""
        self._database = database

    def writer(self, owner_id: str) -> "DatabaseWriter":
        """Begin a blob."""
        return DatabaseWriter(self, self._database, check_owner(owner_id))

    def read(self, ref: BlobRef) -> Iterator[bytes]:
        """The content, checked."""
        check_ref(ref)
        yield from verified(ref, self._chunks(ref))

    def exists(self, ref: BlobRef) -> bool:
        """Whether it is there."""
        check_ref(ref)
        with in_our_words(), self._database.read() as session:
            return chunks.present(session, ref.owner_id, ref.sha256)

    def delete(self, ref: BlobRef, unused_seconds: float = 0.0) -> bool:
        """Forget it, unless it is younger than that."""
        check_ref(ref)
        with in_our_words(), self._database.write() as session:
            limit = now_of(session) - timedelta(seconds=unused_seconds) if unused_seconds > 0 else None
            # First the ledger's row: it is what a writer of the same bytes locks, too.
            known = blobs.forget(session, ref, limit)
            return known and chunks.drop(session, ref.owner_id, ref.sha256) > 0

    def refs(self, unused_seconds: float = 0.0) -> Iterator[BlobRef]:
        """All of them that are as old as that, by owner and hash."""
        last = ("", "")
        while True:
            with in_our_words(), self._database.read() as session:
                before = now_of(session) - timedelta(seconds=unused_seconds) if unused_seconds > 0 else None
                rows = chunks.finished(session, last, before)
            found = [BlobRef(row.owner_id, row.sha256, row.size_bytes) for row in rows]
            if not found:
                return
            yield from found
            last = (found[-1].owner_id, found[-1].sha256)

    def sweep_unfinished(self, older_than_seconds: float) -> int:
        """Remove the chunks of writers that have not added one for so long."""
        with in_our_words(), self._database.read() as session:
            left = chunks.abandoned(session, now_of(session) - timedelta(seconds=older_than_seconds))
        for owner_id, blob in left:
            with in_our_words(), self._database.write() as session:
                chunks.drop(session, owner_id, blob)
        return len(left)

    def is_sound(self, ref: BlobRef) -> bool:
        """Whether it is there and whole."""
        return is_whole(self.read(ref))

    def _chunks(self, ref: BlobRef) -> Iterator[bytes]:
        number = 0
        while True:
            with in_our_words(), self._database.read() as session:
                data = chunks.data(session, ref.owner_id, ref.sha256, number)
            if data is None:
                if number == 0:
                    raise missing(ref)
                return
            yield data
            number += 1


class DatabaseWriter:
    """One blob on its way in."""

    def __init__(self, store: DatabaseStore, database: Database, owner_id: str) -> None:
        """Begin; the first full chunk is the first row."""
        self._store, self._database, self._owner_id = store, database, owner_id
        self._name = f"{chunks.PART}{secrets.token_hex(16)}"
        self._digest = hashlib.sha256()
        self._size = 0
        self._count = 0
        self._buffer = bytearray()
        self._ended = False

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove what was not finished."""
        if not self._ended and self._count:
            with suppress(SQLAlchemyError), self._database.write() as session:  # without a database: swept later
                chunks.drop(session, self._owner_id, self._name)
        self._ended = True

    def write(self, data: bytes) -> None:
        """Append."""
        self._check_open()
        self._digest.update(data)
        self._size += len(data)
        self._buffer += data
        while len(self._buffer) >= CHUNK_BYTES:
            self._store_chunk(bytes(self._buffer[:CHUNK_BYTES]))
            del self._buffer[:CHUNK_BYTES]

    def finish(self) -> BlobRef:
        """Give it its name; a sound blob that has it already is kept and made young."""
        self._check_open()
        if self._buffer or not self._count:
            self._store_chunk(bytes(self._buffer))
        ref = BlobRef(self._owner_id, self._digest.hexdigest(), self._size)
        sound = self._store.is_sound(ref)  # before the lock: reading a large one takes a while
        with in_our_words(), self._database.write() as session:
            blobs.mark_staging(session, ref)
            if sound and chunks.present(session, ref.owner_id, ref.sha256):
                chunks.drop(session, self._owner_id, self._name)
            elif chunks.rename(session, self._owner_id, self._name, ref.sha256) != self._count:
                raise StorageError("Parts of an upload were swept before it was finished.", "Send it again.")
        self._ended = True
        return ref

    def _store_chunk(self, data: bytes) -> None:
        with in_our_words(), self._database.write() as session:
            chunks.insert(session, self._owner_id, self._name, self._count, data)
        self._count += 1

    def _check_open(self) -> None:
        if self._ended:
            raise StorageError("This writer has ended.", "This is a fault of ours: report it.")


@contextmanager
def in_our_words() -> Iterator[None]:
    """From the database's errors to ours."""
    try:
        yield
    except SQLAlchemyError as error:
        if _is_full(error):
            raise DiskFullError("No space is left on the database's disk.", "Free some space.") from error
        raise StorageError(
            "The database that holds the stored files does not answer as it should.",
            "See that it runs, then try again.",
        ) from error


def _is_full(error: SQLAlchemyError) -> bool:
    cause = error.orig if isinstance(error, DBAPIError) else None
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    return getattr(cause, "sqlstate", None) == _POSTGRES_DISK_FULL

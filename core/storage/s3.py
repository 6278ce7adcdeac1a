"""Blobs in an object storage that speaks S3, in pieces of eight mebibytes (`core.storage.s3_objects`).

An object storage has no locks. What keeps a writer that finds a blob and a sweep that is about to remove it apart is
the ledger's row in the database, as for blobs in the database itself. The hash is known at the end alone: until then
what comes in waits in a file without a name, which is gone with its process.
"""

import errno
import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from core.db import blobs
from core.db.session import Database, now_of
from core.domain.errors import DiskFullError, StorageError
from core.storage.base import CHUNK_BYTES, BlobRef, check_owner, check_ref, is_whole, missing, verified
from core.storage.database import in_our_words
from core.storage.s3_objects import PIECE_BYTES, Objects, Piece
from core.storage.s3_place import S3Place

_REQUEST_SECONDS, _RETRY_SECONDS = 30.0, 60.0
_LOCKED_SECONDS = 3.0
"""While a row is locked others wait, and SQLite has one lock for all."""
_IN_MEMORY_BYTES = 2**20


class S3Store:
    """Blobs as objects, their ages and locks in the ledger."""

    def __init__(self, place: S3Place, home: Path, database: Database) -> None:
        """Use a bucket that is there.

        Args:
            place: where.
            home: in its folder `spool` large blobs wait until they are sent.
            database: migrated.

        Raises:
            SettingsError: the package `obstore` is not installed, or the place cannot be one.
        """
        self.objects = Objects(place, seconds=_REQUEST_SECONDS, retry_seconds=_RETRY_SECONDS)
        self.brisk = Objects(place, seconds=_LOCKED_SECONDS, retry_seconds=0)
        self.database = database
        self.spool = home / "spool"

    def writer(self, owner_id: str) -> "S3Writer":
        """Begin a blob."""
        return S3Writer(self, check_owner(owner_id))

    def read(self, ref: BlobRef) -> Iterator[bytes]:
        """The content, checked."""
        check_ref(ref)
        yield from verified(ref, self._parts(ref))

    def exists(self, ref: BlobRef) -> bool:
        """Whether it is there."""
        check_ref(ref)
        return self.objects.written_at(ref.owner_id, ref.sha256, 0) is not None

    def delete(self, ref: BlobRef, unused_seconds: float = 0.0) -> bool:
        """Forget it, unless it is younger than that."""
        check_ref(ref)
        with in_our_words(), self.database.write() as session:
            limit = now_of(session) - timedelta(seconds=unused_seconds) if unused_seconds > 0 else None
            # First the ledger's row: it is what a writer of the same bytes waits for.
            if not blobs.forget(session, ref, limit) and not blobs.reserve(session, ref):
                return False
            written_at = self.brisk.written_at(ref.owner_id, ref.sha256, 0)
            there = written_at is not None and _is_old(written_at, unused_seconds)
            if there:
                self.brisk.delete(ref.owner_id, ref.sha256, 0)  # from here on it is not there; the others are waste
            blobs.forget(session, ref)
        if there:
            for piece in self.objects.pieces(ref.owner_id, ref.sha256):
                self._drop_waste(piece)
        return there

    def refs(self, unused_seconds: float = 0.0) -> Iterator[BlobRef]:
        """All of them that are as old as that, by owner and hash."""
        young = self._renewed_within(unused_seconds) if unused_seconds > 0 else set[tuple[str, str]]()
        for name, pieces in groupby(self.objects.pieces(), key=_blob_of):
            found = list(pieces)
            if found[0].number != 0 or name in young:
                continue
            if all(_is_old(piece.written_at, unused_seconds) for piece in found):
                yield BlobRef(*name, sum(piece.size_bytes for piece in found))

    def sweep_unfinished(self, older_than_seconds: float) -> int:
        """Remove pieces without a first one: of blobs that were not stored whole, or not removed whole."""
        removed = 0
        for _, pieces in groupby(self.objects.pieces(), key=_blob_of):
            found = list(pieces)
            if found[0].number != 0 and all(_is_old(piece.written_at, older_than_seconds) for piece in found):
                removed += sum(map(self._drop_waste, found)) > 0
        return removed

    def is_sound(self, ref: BlobRef) -> bool:
        """Whether it is there and whole."""
        return is_whole(self.read(ref))

    def _drop_waste(self, piece: Piece) -> bool:
        """Remove a piece of a blob that is not there, unless a writer has begun to store it; whether it was removed."""
        ref = BlobRef(piece.owner_id, piece.sha256, 0)
        with in_our_words(), self.database.write() as session:
            if not blobs.reserve(session, ref):
                return False
            self.brisk.delete(piece.owner_id, piece.sha256, piece.number)
            blobs.forget(session, ref)
        return True

    def _parts(self, ref: BlobRef) -> Iterator[bytes]:
        number, size = 0, 0
        while number == 0 or size < ref.size_bytes:
            piece = self.objects.get(ref.owner_id, ref.sha256, number)
            if piece is None:
                if number == 0:
                    raise missing(ref)
                return
            for begin in range(0, len(piece), CHUNK_BYTES):
                yield piece[begin : begin + CHUNK_BYTES]
            number += 1
            size += len(piece)

    def _renewed_within(self, seconds: float) -> set[tuple[str, str]]:
        with in_our_words(), self.database.read() as session:
            return blobs.renewed_since(session, now_of(session) - timedelta(seconds=seconds))


class S3Writer:
    """One blob on its way in."""

    def __init__(self, store: S3Store, owner_id: str) -> None:
        """Prepare; `__enter__` opens the file without a name."""
        self._store, self._owner_id = store, owner_id
        self._digest = hashlib.sha256()
        self._size = 0
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        """Begin; what is larger than a mebibyte goes to the disk."""
        with _on_disk():
            self._store.spool.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES, dir=str(self._store.spool))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Forget what was not finished: nothing of it was sent."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def write(self, data: bytes) -> None:
        """Append."""
        file = self._open()
        with _on_disk():
            file.write(data)
        self._digest.update(data)
        self._size += len(data)

    def finish(self) -> BlobRef:
        """Send it; a sound blob that has its name already is kept and made young."""
        file = self._open()
        ref = BlobRef(self._owner_id, self._digest.hexdigest(), self._size)
        with in_our_words(), self._store.database.write() as session:
            blobs.mark_staging(session, ref)  # from here on no sweep takes any piece of it
        if not self._store.is_sound(ref):
            self._send(file, ref)
        self.__exit__(None, None, None)
        return ref

    def _send(self, file: IO[bytes], ref: BlobRef) -> None:
        """The first piece last: without it there is no blob."""
        count = max(1, -(-ref.size_bytes // PIECE_BYTES))
        for number in reversed(range(count)):
            with _on_disk():
                file.seek(number * PIECE_BYTES)
                data = file.read(PIECE_BYTES)
            self._store.objects.put(ref.owner_id, ref.sha256, number, data)

    def _open(self) -> IO[bytes]:
        if self._file is None:
            raise StorageError("This writer has ended.", "This is a fault of ours: report it.")
        return self._file


def _blob_of(piece: Piece) -> tuple[str, str]:
    return piece.owner_id, piece.sha256


def _is_old(written_at: datetime, seconds: float) -> bool:
    """By this host's clock and the storage's: a day is long enough for both."""
    return seconds <= 0 or datetime.now(UTC) - written_at >= timedelta(seconds=seconds)


@contextmanager
def _on_disk() -> Iterator[None]:
    """From the operating system's errors to ours."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFullError("No space is left where files wait to be stored.", "Free some space.") from error
        raise StorageError(
            f"A file on its way cannot be written: {error.strerror or error}.", "See that HEIRLOOM_HOME is in order."
        ) from error

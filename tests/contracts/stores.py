"""Every blob store, with what a test must be able to do to it from behind: damage bytes, make them old."""

import os
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import pytest
from sqlalchemy import event, func, select, text, update

from core.db.session import Database
from core.db.tables import Blob, BlobChunk, Owner
from core.storage.base import CHUNK_BYTES, BlobRef, BlobStore
from core.storage.database import DatabaseStore
from core.storage.fs import FileStore
from core.storage.memory import MemoryStore
from core.storage.s3 import S3Store
from core.storage.s3_objects import PIECE_BYTES
from tests import rows
from tests.s3_server import S3Server, Stored, serving_s3

STORES = ["files", "chunks_on_sqlite", "chunks_on_postgres", "s3_and_sqlite", "s3_and_postgres", "memory"]
OTHER_OWNER = "own_other"


class Backstage(Protocol):
    """A store, and the way to what it keeps."""

    store: BlobStore

    def flip(self, ref: BlobRef, bit: int) -> None:
        """Turn one bit of what is stored over."""

    def shorten(self, ref: BlobRef) -> None:
        """Lose the last byte."""

    def age(self, ref: BlobRef, seconds: float) -> None:
        """Let it have been written so long ago."""

    def leftovers(self) -> int:
        """How much there is beside finished blobs."""


class BehindFiles:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = FileStore(root)

    def _path(self, ref: BlobRef) -> Path:
        return self.root / ref.owner_id / ref.sha256

    def flip(self, ref: BlobRef, bit: int) -> None:
        data = bytearray(self._path(ref).read_bytes())
        data[bit // 8] ^= 1 << (bit % 8)
        self._path(ref).write_bytes(data)

    def shorten(self, ref: BlobRef) -> None:
        os.truncate(self._path(ref), ref.size_bytes - 1)

    def age(self, ref: BlobRef, seconds: float) -> None:
        moment = time.time() - seconds
        os.utime(self._path(ref), (moment, moment))

    def leftovers(self) -> int:
        return len(list(self.root.glob("*/.part-*")))


class BehindChunks:
    def __init__(self, database: Database) -> None:
        self.database = database
        self.store = DatabaseStore(database)
        with database.write() as session:
            session.add(Owner(id=OTHER_OWNER, name="other", created_at=rows.NOW))

    def _change(self, ref: BlobRef, number: int, data: bytes) -> None:
        place = (BlobChunk.owner_id == ref.owner_id, BlobChunk.blob == ref.sha256, BlobChunk.n == number)
        with self.database.write() as session:
            session.execute(update(BlobChunk).where(*place).values(data=data))

    def _chunk(self, ref: BlobRef, number: int) -> bytearray:
        place = (BlobChunk.owner_id == ref.owner_id, BlobChunk.blob == ref.sha256, BlobChunk.n == number)
        with self.database.read() as session:
            return bytearray(session.scalars(select(BlobChunk.data).where(*place)).one())

    def flip(self, ref: BlobRef, bit: int) -> None:
        number, place = divmod(bit // 8, CHUNK_BYTES)
        data = self._chunk(ref, number)
        data[place] ^= 1 << (bit % 8)
        self._change(ref, number, bytes(data))

    def shorten(self, ref: BlobRef) -> None:
        last = (ref.size_bytes - 1) // CHUNK_BYTES
        self._change(ref, last, bytes(self._chunk(ref, last)[:-1]))

    def age(self, ref: BlobRef, seconds: float) -> None:
        with self.database.write() as session:
            row = session.get_one(Blob, (ref.owner_id, ref.sha256))
            row.renewed_at -= timedelta(seconds=seconds)

    def leftovers(self) -> int:
        with self.database.read() as session:
            finished = select(Blob.sha256).where(Blob.owner_id == BlobChunk.owner_id, Blob.sha256 == BlobChunk.blob)
            return session.scalar(select(func.count()).select_from(BlobChunk).where(~finished.exists())) or 0


class BehindS3:
    def __init__(self, database: Database, server: S3Server, home: Path) -> None:
        self.database, self.server, self.home = database, server, home
        self.store = S3Store(server.place("photos/"), home, database)
        with database.write() as session:
            session.add(Owner(id=OTHER_OWNER, name="other", created_at=rows.NOW))

    def _piece(self, ref: BlobRef, number: int) -> Stored:
        return self.server.objects[f"photos/{ref.owner_id}/{ref.sha256}/{number:06}"]

    def flip(self, ref: BlobRef, bit: int) -> None:
        number, place = divmod(bit // 8, PIECE_BYTES)
        piece = self._piece(ref, number)
        data = bytearray(piece.data)
        data[place] ^= 1 << (bit % 8)
        piece.data = bytes(data)

    def shorten(self, ref: BlobRef) -> None:
        piece = self._piece(ref, (ref.size_bytes - 1) // PIECE_BYTES)
        piece.data = piece.data[:-1]

    def age(self, ref: BlobRef, seconds: float) -> None:
        for key, piece in self.server.objects.items():
            if f"/{ref.sha256}/" in key:
                piece.written_at -= timedelta(seconds=seconds)
        with self.database.write() as session:
            row = session.get_one(Blob, (ref.owner_id, ref.sha256))
            row.renewed_at -= timedelta(seconds=seconds)

    def leftovers(self) -> int:
        whole = {key.rpartition("/")[0] for key in self.server.objects if key.endswith("/000000")}
        loose = [key for key in self.server.objects if key.rpartition("/")[0] not in whole]
        return len(loose) + len(list(self.home.glob("spool/*")))


class BehindMemory:
    def __init__(self) -> None:
        self.store = MemoryStore()

    def flip(self, ref: BlobRef, bit: int) -> None:
        kept = self.store._blobs[ref.owner_id, ref.sha256]
        data = bytearray(kept.data)
        data[bit // 8] ^= 1 << (bit % 8)
        kept.data = bytes(data)

    def shorten(self, ref: BlobRef) -> None:
        kept = self.store._blobs[ref.owner_id, ref.sha256]
        kept.data = kept.data[:-1]

    def age(self, ref: BlobRef, seconds: float) -> None:
        self.store._blobs[ref.owner_id, ref.sha256].renewed_at -= seconds

    def leftovers(self) -> int:
        return 0


def backstage_of(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backstage]:
    """One of `STORES`, empty."""
    if name == "files":
        yield BehindFiles(tmp_path / "blobs")
    elif name == "memory":
        yield BehindMemory()
    elif name.startswith("s3"):
        database = Database(request.getfixturevalue(f"{name.removeprefix('s3_and_')}_url"))
        with serving_s3() as server:
            yield BehindS3(database, server, tmp_path)
        database.close()
    else:
        database = Database(request.getfixturevalue(f"{name.removeprefix('chunks_on_')}_url"))
        yield BehindChunks(database)
        database.close()


def fill_the_disk(database: Database) -> None:
    """From now on the database says that its disk is full, as it does when it is."""
    if database.is_sqlite:
        database.close()  # the next connection has the limit
        event.listen(database.engine, "connect", lambda connection, _: connection.execute("PRAGMA max_page_count = 1"))
        return
    with database.write() as session:
        session.execute(
            text(
                "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS"
                " $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$"
            )
        )
        session.execute(text("CREATE TRIGGER full_disk BEFORE INSERT ON blob_chunks EXECUTE FUNCTION full_disk()"))

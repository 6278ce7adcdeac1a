"""What is the database store's alone: its transactions, and what a full or absent database says."""

import pytest
from sqlalchemy import event, func, select

from core.db import chunks
from core.db.session import Database
from core.db.tables import BlobChunk
from core.domain.errors import DiskFullError, SettingsError, StorageError
from core.storage.base import CHUNK_BYTES, write_blob
from core.storage.database import DatabaseStore
from core.storage.fs import FileStore
from core.storage.memory import MemoryStore
from core.storage.open import open_store
from tests.contracts.stores import fill_the_disk

OWNER = "own_local"


@pytest.fixture
def store(database):
    return DatabaseStore(database)


def test_a_chunk_is_a_row_of_one_mebibyte(database, store):
    ref = write_blob(store, OWNER, bytes(2 * CHUNK_BYTES + 3))
    with database.read() as session:
        query = select(BlobChunk.n, func.length(BlobChunk.data)).where(BlobChunk.blob == ref.sha256)
        assert [tuple(row) for row in session.execute(query.order_by(BlobChunk.n))] == [
            (0, CHUNK_BYTES),
            (1, CHUNK_BYTES),
            (2, 3),
        ]


def test_each_chunk_is_a_transaction_of_its_own(database, store):
    commits: list[int] = []
    event.listen(database.engine, "commit", lambda _: commits.append(1))
    write_blob(store, OWNER, bytes(3 * CHUNK_BYTES))
    assert len(commits) == 4  # three chunks and the one that names them


def test_no_transaction_stays_open_while_a_slow_client_takes_the_bytes(database, store):
    ref = write_blob(store, OWNER, bytes(3 * CHUNK_BYTES))
    for _ in store.read(ref):
        assert database.engine.pool.checkedout() == 0


def test_parts_that_were_swept_while_a_writer_slept_are_not_passed_over(store):
    with store.writer(OWNER) as writer:
        writer.write(bytes(CHUNK_BYTES))
        assert store.sweep_unfinished(0) == 1
        writer.write(bytes(CHUNK_BYTES))
        with pytest.raises(StorageError, match="swept before it was finished"):
            writer.finish()
    assert list(store.refs()) == []


def test_an_owner_who_does_not_exist_gets_nothing_stored(database, store):
    with pytest.raises(StorageError, match="does not answer as it should"):
        write_blob(store, "own_nobody", b"x")
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(BlobChunk)) == 0


def test_a_full_disk_is_told_as_such_and_leaves_nothing(database, store):
    fill_the_disk(database)
    with pytest.raises(DiskFullError, match="database's disk"):
        write_blob(store, OWNER, bytes(3 * CHUNK_BYTES))
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(BlobChunk)) == 0


def test_a_database_that_is_away_is_a_storage_error_for_reader_and_writer():
    store = DatabaseStore(Database("postgresql://nobody@127.0.0.1:1/nothing"))
    with pytest.raises(StorageError, match="does not answer"):
        write_blob(store, OWNER, b"x")
    with pytest.raises(StorageError, match="does not answer"):
        list(store.refs())


def test_no_hash_is_taken_for_a_temporary_name():
    assert not set(chunks.PART) <= set("0123456789abcdef")


def test_a_driver_s_name_says_which_store_it_is(sqlite_database, tmp_path):
    kinds = {driver: type(open_store(driver, tmp_path, sqlite_database)) for driver in ("fs", "database", "memory")}
    assert kinds == {"fs": FileStore, "database": DatabaseStore, "memory": MemoryStore}
    with pytest.raises(SettingsError, match="tape"):
        open_store("tape", tmp_path, sqlite_database)

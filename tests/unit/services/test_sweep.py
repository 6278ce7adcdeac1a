"""Mark and sweep: what is named stays, whatever names it; what is not goes once it is old."""

from datetime import timedelta

import pytest
from sqlalchemy import delete, func, select, update

from core.db import blobs
from core.db.session import Database
from core.db.tables import Base, Blob, Checkpoint, StageOutput
from core.services.sweep import Swept, sweep
from core.storage.base import read_blob, write_blob
from tests import rows
from tests.contracts.stores import BehindChunks, BehindFiles

OWNER = rows.OWNER
NOTHING = timedelta(0)
DAYS = 2 * 86400.0


@pytest.fixture(params=["files", "chunks"])
def behind(request, database, tmp_path):
    chunks = BehindChunks(database)  # it makes the other owner, too
    return chunks if request.param == "chunks" else BehindFiles(tmp_path / "blobs")


@pytest.fixture
def store(behind):
    return behind.store


def a_stage_output(session, sha256):
    job = rows.job()
    session.add(job)
    session.flush()
    return rows.stage_output(session, job.id, sha256)


NAMING = {
    "files": lambda session, sha256: session.add(rows.file(sha256)),
    "album_photos": rows.album_photo,
    "checkpoints": lambda session, sha256: rows.checkpoint(session, blob_sha256=sha256),
    "stage_outputs": a_stage_output,
    "candidates": rows.candidate,
    "restorations": lambda session, sha256: rows.restoration(session, [{"n": 0, "crop_sha256": sha256}]),
}
"""By table, how a row of it names a blob."""


def _layers_of_a_face(session, sha256):
    pictures = {"mask": {"sha256": sha256, "size_bytes": 6}}
    rows.restoration(session, [{"n": 0, "layers": {"left": 0, "top": 0, "pictures": pictures}}])


def _a_whole_photo(session, sha256):
    rows.restoration(session, []).image_sha256 = sha256


def _a_native(session, sha256):
    rows.candidate(session, rows.DIGEST).native_sha256 = sha256


@pytest.mark.parametrize("name_it", [_layers_of_a_face, _a_whole_photo, _a_native])
def test_every_other_picture_of_a_restoration_stays_with_it(database, store, name_it):
    ref = write_blob(store, OWNER, b"needed")
    with database.write() as session:
        name_it(session, ref.sha256)
        blobs.mark_ready(session, ref)
    assert sweep(database, store, NOTHING) == Swept(0, 0, 0)
    with database.write() as session:
        for table in ("candidates", "restorations"):
            session.execute(delete(Base.metadata.tables[table]))
    assert sweep(database, store, NOTHING) == Swept(1, 6, 0)


def name(session, table, ref):
    """A row that names a blob, and the blob as ready."""
    NAMING[table](session, ref.sha256)
    blobs.mark_ready(session, ref)


@pytest.mark.parametrize("table", NAMING)
def test_what_a_row_names_stays_until_the_row_goes(database, store, table):
    ref = write_blob(store, OWNER, b"needed")
    with database.write() as session:
        name(session, table, ref)
    assert sweep(database, store, NOTHING) == Swept(0, 0, 0)
    assert read_blob(store, ref) == b"needed"
    with database.write() as session:
        session.execute(delete(Base.metadata.tables[table]))
    assert sweep(database, store, NOTHING) == Swept(1, 6, 0)
    assert not store.exists(ref)
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(Blob)) == 0


def test_no_table_with_a_blob_in_it_is_forgotten():
    """Chunks are the bytes themselves; a restoration's input is named by its file."""
    with_blobs = {table.name for table in Base.metadata.sorted_tables if "blob_sha256" in table.columns}
    assert with_blobs | {"restorations"} == set(NAMING)


def test_what_was_never_named_goes_only_after_a_day(database, behind):
    young, old = (write_blob(behind.store, OWNER, data) for data in (b"young", b"old"))
    behind.age(old, DAYS)
    assert sweep(database, behind.store, dry_run=True) == Swept(1, 3, 0)
    assert behind.store.exists(old)
    assert sweep(database, behind.store) == Swept(1, 3, 0)
    assert not behind.store.exists(old)
    assert behind.store.exists(young)


def test_bytes_that_were_sent_again_are_young_again(database, behind):
    ref = write_blob(behind.store, OWNER, b"twice")
    behind.age(ref, DAYS)
    write_blob(behind.store, OWNER, b"twice")
    assert sweep(database, behind.store) == Swept(0, 0, 0)
    assert behind.store.exists(ref)


def test_another_owner_s_name_does_not_keep_mine(database, store):
    mine, theirs = write_blob(store, OWNER, b"the same"), write_blob(store, "own_other", b"the same")
    with database.write() as session:
        name(session, "files", mine)
    assert sweep(database, store, NOTHING).blobs == 1
    assert store.exists(mine)
    assert not store.exists(theirs)


def test_what_a_dead_writer_left_goes_too(database, store):
    writer = store.writer(OWNER)
    writer.__enter__()
    writer.write(bytes(2**20))
    assert sweep(database, store) == Swept(0, 0, 0)
    assert sweep(database, store, NOTHING).unfinished == 1
    writer.__exit__(None, None, None)


def test_files_of_owners_that_the_database_does_not_know_are_left_alone(sqlite_database, tmp_path):
    store = BehindFiles(tmp_path / "blobs").store
    ref = write_blob(store, "own_of_another_installation", b"theirs")
    assert sweep(sqlite_database, store, NOTHING).blobs == 0
    assert store.exists(ref)


def test_a_name_that_moves_from_one_table_to_another_meanwhile_is_seen(postgres_database):
    """A checkpoint takes over its stage's blob in one transaction: between two queries it would be in neither table."""
    database: Database = postgres_database
    store = BehindChunks(database).store
    ref = write_blob(store, OWNER, b"weights")
    with database.write() as session:
        name(session, "stage_outputs", ref)
        checkpoint_id = rows.checkpoint(session).id
    with database.snapshot() as marking:
        assert marking.scalar(select(func.count()).select_from(StageOutput)) == 1
        with database.write() as session:
            session.get_one(Checkpoint, checkpoint_id).blob_sha256 = ref.sha256
            session.delete(session.scalars(select(StageOutput)).one())
        assert blobs.named(marking) == {(OWNER, ref.sha256)}
    assert sweep(database, store, NOTHING).blobs == 0


def test_what_is_kept_is_counted_once_it_is_named(database, store):
    ref = write_blob(store, OWNER, b"twelve bytes")
    with database.write() as session:
        assert blobs.bytes_kept(session) == 0
        name(session, "files", ref)
        assert blobs.bytes_kept(session) == 12
        session.execute(update(Blob).values(state="staging"))
        blobs.mark_ready(session, ref, ref)
        assert blobs.bytes_kept(session) == 12

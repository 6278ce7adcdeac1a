"""A backup holds everything of one moment, and is loaded elsewhere whole or not at all."""

import random
import stat
import tarfile
from io import BytesIO

import pytest
from sqlalchemy import select, update

from core.db import blobs, sweeping
from core.db.tables import Job, JobEventRow, Owner
from core.domain.errors import BlobDamagedError, InvalidRequestError, OutputUnwritableError, SettingsError, StorageError
from core.services.backup.archive import ArchiveReader, ArchiveWriter
from core.services.backup.file import new_private_file
from core.services.backup.load import load
from core.services.backup.make import make
from core.services.integrity import check
from core.services.sweep import sweep
from core.storage.base import write_blob
from core.storage.database import DatabaseStore
from tests import rows
from tests.kept import Kept

REVISION = "0042_of_this_test"


def backup_of(kept: Kept) -> BytesIO:
    file = BytesIO()
    make(kept.database, kept.store, REVISION, file)
    return file


def into(kept: Kept, file: BytesIO, revision: str = REVISION):
    return load(kept.database, kept.store, revision, ArchiveReader(file))


def without_jobs(rows_by_table):
    """All but what loading changes: jobs that ran are queued again, and that is in their timeline."""
    moved = ("jobs", "job_events", "outbox")
    return {name: found for name, found in rows_by_table.items() if name not in moved}


def test_every_row_and_every_byte_comes_back_on_another_database_and_in_another_store(embedded, on_server):
    before, bytes_before = embedded.rows(), embedded.blobs()
    into(on_server, backup_of(embedded))
    assert without_jobs(on_server.rows()) == without_jobs(before)
    assert on_server.blobs() == bytes_before
    assert {job["id"] for job in on_server.rows()["jobs"]} == {job["id"] for job in before["jobs"]}
    assert not check(on_server.database, on_server.store).faults


def test_and_from_there_back_again(embedded, on_server, elsewhere):
    into(on_server, backup_of(embedded))
    into(elsewhere, backup_of(on_server))
    assert elsewhere.rows() == on_server.rows()
    assert elsewhere.blobs() == embedded.blobs()
    assert not check(elsewhere.database, elsewhere.store).faults


def test_a_job_that_ran_is_queued_again_without_a_mark(embedded, on_server):
    with embedded.database.read() as session:
        running = session.scalars(select(Job).where(Job.status == "running")).one()
    into(on_server, backup_of(embedded))
    with on_server.database.read() as session:
        job = session.get_one(Job, running.id)
        assert (job.status, job.worker_id, job.lease_until, job.crashes) == ("queued", None, None, 0)
        assert job.attempt == running.attempt
        told = session.scalars(select(JobEventRow).where(JobEventRow.job_id == job.id).order_by(JobEventRow.id)).all()
        assert told[-1].type == "drained"
    assert rows.take(on_server.database) is not None


def test_one_that_was_to_be_cancelled_is_cancelled(embedded, on_server):
    with embedded.database.write() as session:
        session.execute(update(Job).where(Job.status == "running").values(cancel_requested=True))
    into(on_server, backup_of(embedded))
    with on_server.database.read() as session:
        assert not session.scalars(select(Job).where(Job.status == "running")).all()
        assert session.scalars(select(Job).where(Job.status == "cancelled")).one().finished_at is not None


def test_numbers_go_on_after_those_that_were_loaded(embedded, on_server):
    into(on_server, backup_of(embedded))
    job_id = rows.put(on_server.database)
    with on_server.database.read() as session:
        newest = session.scalars(select(JobEventRow).order_by(JobEventRow.id.desc())).first()
        assert newest.job_id == job_id


def test_what_no_row_names_any_more_is_not_in_it(embedded, on_server):
    ref = write_blob(embedded.store, rows.OWNER, b"deleted, and not swept yet")
    into(on_server, backup_of(embedded))
    assert not on_server.store.exists(ref)


def test_rows_that_come_while_it_is_made_are_in_it_wholly_or_not_at_all(embedded, on_server):
    """Rows are of one moment: what is committed between two tables is seen in neither."""
    into(on_server, backup_of(embedded))
    seen = []

    class Meddling(BytesIO):
        def write(self, data):
            if not seen:  # the head: the snapshot has been taken, and no table read yet
                seen.append(True)
                with on_server.database.write() as session:
                    session.add(Owner(id="own_late", name="late", created_at=rows.NOW))
                    session.flush()
                    session.add(rows.file(rows.DIGEST, owner_id="own_late"))
            return super().write(data)

    file = Meddling()
    contents = make(on_server.database, on_server.store, REVISION, file)
    assert seen
    assert contents.absent == []
    assert {ref.owner_id for ref, _ in ArchiveReader(file).blobs()} == {rows.OWNER}
    lines = b"".join(lines for _, lines in ArchiveReader(file).tables())
    assert b"own_late" not in lines


def test_nothing_is_swept_while_it_is_made(embedded):
    class Sweeping(BytesIO):
        swept = None

        def write(self, data):
            if self.swept is None:
                Sweeping.swept = sweep(embedded.database, embedded.store)
            return super().write(data)

    make(embedded.database, embedded.store, REVISION, Sweeping())
    assert Sweeping.swept.put_off
    assert not sweep(embedded.database, embedded.store).put_off


def test_a_damaged_blob_is_left_out_and_told_of_and_the_rest_is_kept(embedded, on_server, tmp_path):
    path = max((tmp_path / "blobs" / rows.OWNER).iterdir(), key=lambda path: path.stat().st_size)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    file = BytesIO()
    contents = make(embedded.database, embedded.store, REVISION, file)
    assert [(one.sha256, one.code) for one in contents.absent] == [(path.name, "blob_damaged")]
    assert into(on_server, file).absent == contents.absent
    assert len(on_server.blobs()) == contents.blobs == len(list(embedded.store.refs())) - 1
    assert [fault.code for fault in check(on_server.database, on_server.store).faults] == [
        "blob_missing",
        "blob_unlisted",
    ]


def test_every_flipped_bit_of_a_backup_is_found_before_anything_is_written(embedded, on_server):
    whole = backup_of(embedded).getvalue()
    generator = random.Random(3)
    before = on_server.rows()
    with tarfile.open(fileobj=BytesIO(whole)) as archive:  # what pads a block means nothing
        matters = [(member.offset_data, member.size) for member in archive if member.size]
    for _ in range(40):
        begin, size = generator.choice(matters[1:])
        place, bit = begin + generator.randrange(size), generator.randrange(8)
        data = bytearray(whole)
        data[place] ^= 1 << bit
        with pytest.raises(BlobDamagedError, match="damaged"):
            into(on_server, BytesIO(data))
    assert on_server.rows() == before
    assert on_server.blobs() == {}


@pytest.mark.parametrize("kept_part", [0.0, 0.001, 0.3, 0.7, 0.999])
def test_one_that_is_cut_off_is_refused(embedded, on_server, kept_part):
    whole = backup_of(embedded).getvalue()
    with pytest.raises(BlobDamagedError) as caught:
        into(on_server, BytesIO(whole[: int((len(whole) - 20_000) * kept_part)]))
    assert caught.value.advice
    assert on_server.blobs() == {}


def test_nothing_is_loaded_where_something_is_kept_already(embedded, on_server):
    file = backup_of(embedded)
    into(on_server, file)
    before = on_server.rows()
    with pytest.raises(SettingsError, match="kept here already"):
        into(on_server, file)
    assert on_server.rows() == before


def test_one_of_another_revision_is_refused(embedded, on_server):
    with pytest.raises(SettingsError, match="0042_of_this_test"):
        into(on_server, backup_of(embedded), "0043")


def test_a_tar_of_something_else_is_refused(on_server):
    file = BytesIO()
    archive = ArchiveWriter(file)
    archive.add("photo.png", b"x")
    archive.close()
    with pytest.raises(InvalidRequestError, match="no backup"):
        into(on_server, file)


def test_where_storing_fails_in_the_middle_nothing_stays(embedded, on_server):
    class Failing(DatabaseStore):
        left = 4

        def writer(self, owner_id):
            Failing.left -= 1
            if not Failing.left:
                raise StorageError("Away.", "Try again.")
            return super().writer(owner_id)

    file = backup_of(embedded)
    with pytest.raises(StorageError, match="Away"):
        into(Kept(on_server.database, Failing(on_server.database)), file)
    assert on_server.blobs() == {}
    assert all(not found for name, found in on_server.rows().items() if name != "owners")
    into(on_server, file)
    assert on_server.blobs() == embedded.blobs()


def test_a_load_that_was_killed_can_be_repeated(embedded, on_server):
    """Its blobs are there, and its owners; nothing else is: rows come last, all at once."""
    file = backup_of(embedded)
    with on_server.database.write() as session:
        session.add(Owner(id="own_half", name="half", created_at=rows.NOW))
    for ref in embedded.store.refs():
        if ref.owner_id == rows.OWNER:
            write_blob(on_server.store, ref.owner_id, embedded.blobs()[ref.owner_id, ref.sha256])
    into(on_server, file)
    assert on_server.blobs() == embedded.blobs()
    assert not check(on_server.database, on_server.store).faults


def test_two_loads_at_once_do_not_meet(embedded, on_server):
    file = backup_of(embedded)

    with sweeping.alone(on_server.database), pytest.raises(StorageError, match="under way"):
        into(on_server, file)
    into(on_server, file)


def test_the_file_is_its_maker_s_alone_and_there_only_when_it_is_whole(tmp_path):
    path = tmp_path / "heirloom.backup"
    with pytest.raises(ZeroDivisionError), new_private_file(path) as file:
        file.write(bytes([1 // 0]))
    assert list(tmp_path.iterdir()) == []
    with new_private_file(path) as file:
        file.write(b"whole")
    assert path.read_bytes() == b"whole"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(OutputUnwritableError, match="is there already"), new_private_file(path):
        pass
    assert path.read_bytes() == b"whole"


def test_where_there_is_no_folder_that_is_said(tmp_path):
    with pytest.raises(OutputUnwritableError, match="does not exist"), new_private_file(tmp_path / "a" / "b"):
        pass


def test_memory_does_not_grow_with_what_is_kept(embedded, tmp_path):
    """A blob of 24 MiB goes through in pieces of one."""
    import tracemalloc

    with embedded.store.writer(rows.OWNER) as writer:
        for number in range(24):
            writer.write(bytes([number]) * 2**20)
        ref = writer.finish()
    with embedded.database.write() as session:
        session.add(rows.file(ref.sha256, size_bytes=ref.size_bytes))
        blobs.mark_ready(session, ref)
    with (tmp_path / "x").open("wb") as file:
        tracemalloc.start()
        make(embedded.database, embedded.store, REVISION, file)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 12 * 2**20

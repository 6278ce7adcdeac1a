"""Everything that must not be is found, and nothing is changed by looking."""

import os

import pytest
from sqlalchemy import select, text, update

from core.db import blobs
from core.db.tables import AlbumPhoto, Blob, CandidateRow, Checkpoint, Job, Restoration, Subject
from core.services.integrity import check
from core.services.sweep import sweep
from core.storage.base import write_blob
from tests import rows
from tests.kept import fill


def faults(kept, **options):
    return check(kept.database, kept.store, **options).faults


def told(kept):
    return [(fault.code, fault.table, fault.text) for fault in faults(kept)]


def change(kept, statement):
    with kept.database.write() as session:
        if kept.database.is_sqlite:
            session.connection().exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        session.execute(statement)


def path_of(tmp_path, row):
    return tmp_path / "blobs" / row.owner_id / row.blob_sha256


def one(kept, query):
    with kept.database.read() as session:
        return session.scalars(query.limit(1)).one()


def test_what_the_service_itself_leaves_is_whole(embedded):
    checked = check(embedded.database, embedded.store)
    assert checked.faults == ()
    stored = embedded.blobs()
    assert checked.blobs + checked.unnamed == len(stored)
    assert checked.blobs > 5
    assert checked.size_bytes + checked.unnamed_bytes == sum(map(len, stored.values()))


def test_on_a_server_too(on_server, tmp_path):
    fill(on_server, tmp_path)
    assert faults(on_server) == ()


def test_looking_changes_nothing(embedded):
    before = embedded.rows()
    check(embedded.database, embedded.store)
    assert embedded.rows() == before


def test_a_damaged_blob_is_found_by_reading_it(embedded, tmp_path):
    path = path_of(tmp_path, one(embedded, select(AlbumPhoto)))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    (fault,) = faults(embedded)
    assert (fault.code, fault.count, fault.ids) == ("blob_damaged", 1, (f"{rows.OWNER}/{path.name}",))
    assert faults(embedded, read=False) == ()


def test_a_missing_one_is_found_without_reading(embedded, tmp_path):
    path = path_of(tmp_path, one(embedded, select(Checkpoint)))
    path.unlink()
    (fault,) = faults(embedded, read=False)
    assert (fault.code, fault.ids) == ("blob_missing", (f"{rows.OWNER}/{path.name}",))
    assert faults(embedded) == (fault,)


def test_what_nobody_names_is_counted_and_no_fault(embedded, tmp_path):
    before = check(embedded.database, embedded.store)
    ref = write_blob(embedded.store, rows.OWNER, b"waste")
    os.utime(tmp_path / "blobs" / ref.owner_id / ref.sha256, (0, 0))
    after = check(embedded.database, embedded.store)
    assert (after.faults, after.unnamed) == ((), before.unnamed + 1)
    sweep(embedded.database, embedded.store)
    assert check(embedded.database, embedded.store).unnamed == before.unnamed


@pytest.mark.parametrize("state", [blobs.STAGING, None])
def test_a_name_that_the_ledger_does_not_know_is_found(embedded, state):
    photo = one(embedded, select(AlbumPhoto))
    with embedded.database.write() as session:
        row = session.get_one(Blob, (photo.owner_id, photo.blob_sha256))
        if state is None:
            session.delete(row)
        else:
            row.state = state
    assert [fault.code for fault in faults(embedded)] == ["blob_unlisted"]


RUNNING, QUEUED, ENDED = Job.status == "running", Job.status == "queued", Job.status == "succeeded"


@pytest.mark.parametrize(
    ("which", "values", "said"),
    [
        (RUNNING, {"status": "dreaming", "worker_id": None, "lease_until": None}, "a state that there is not"),
        (RUNNING, {"worker_id": None}, "running, and with no worker"),
        (RUNNING, {"lease_until": None}, "running, and with no worker"),
        (RUNNING, {"attempt": 0}, "running, and with no worker"),
        (QUEUED, {"worker_id": "wkr_1"}, "not running, and still with a worker"),
        (QUEUED, {"cancel_requested": True}, "queued, and to be cancelled"),
        (QUEUED, {"finished_at": rows.NOW}, "open, and with the time of its end"),
        (QUEUED, {"waits_for_job_id": "job_gone"}, "waits for a job that is not there"),
        (QUEUED, {"restoration_id": "res_gone"}, "open, and without the restoration"),
        (ENDED, {"finished_at": None}, "ended, and nobody knows when"),
    ],
)
def test_a_job_in_an_impossible_state_is_found(embedded, which, values, said):
    job = one(embedded, select(Job).where(which))
    change(embedded, update(Job).where(Job.id == job.id).values(**values))
    found = [fault for fault in faults(embedded) if fault.code == "job_state"]
    assert [(fault.ids, fault.count) for fault in found] == [((job.id,), 1)]
    assert said in found[0].text


def test_what_an_ended_job_left_on_its_way_is_found(embedded):
    running = one(embedded, select(Job).where(RUNNING))
    values = {"status": "failed", "finished_at": rows.NOW, "worker_id": None, "lease_until": None}
    change(embedded, update(Job).where(Job.id == running.id).values(**values))
    assert [(fault.code, fault.table) for fault in faults(embedded)] == [("job_leftover", "stage_outputs")]


def test_a_checkpoint_without_bytes_and_one_that_nobody_makes_are_found(embedded):
    point = one(embedded, select(Checkpoint).where(Checkpoint.status == "ready"))
    change(embedded, update(Checkpoint).where(Checkpoint.id == point.id).values(blob_sha256=None))
    assert ("checkpoint_state", "checkpoints", "ready, and without bytes") in told(embedded)
    change(embedded, update(Checkpoint).where(Checkpoint.id == point.id).values(status="pending"))
    assert [text for code, _, text in told(embedded)] == ["pending, and the job that makes it has ended"]


@pytest.mark.parametrize(
    ("table", "column"),
    [
        (Subject, "default_checkpoint_id"),
        (Checkpoint, "job_id"),
        (Restoration, "job_id"),
        (Restoration, "batch_id"),
        (Restoration, "subject_id"),
    ],
)
def test_an_id_that_leads_nowhere_is_found(embedded, table, column):
    row = one(embedded, select(table).where(table.id.is_not(None)).order_by(table.id))
    change(embedded, update(table).where(table.id == row.id).values({column: "x_gone"}))
    found = [fault for fault in faults(embedded) if fault.code == "dangling_id"]
    assert [(fault.table, fault.ids) for fault in found] == [(table.__tablename__, (row.id,))]
    assert column in found[0].text


def test_one_that_a_constraint_should_have_kept_is_found_too(embedded):
    with embedded.database.engine.connect() as connection:  # as a damaged file, or another program, would leave it
        connection.exec_driver_sql("ROLLBACK")
        connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
        connection.exec_driver_sql("BEGIN")
        connection.execute(text("UPDATE album_photos SET subject_id = 'sub_gone' WHERE held_out"))
        connection.execute(text("UPDATE album_photos SET subject_id = 'sub_gone'"))
        connection.commit()
        connection.exec_driver_sql("PRAGMA foreign_keys = ON")
    assert ("dangling_id", "album_photos", "subject_id names none of subjects") in told(embedded)


def test_what_is_one_owner_s_in_what_is_another_s_is_found(embedded):
    change(embedded, update(CandidateRow).values(owner_id="own_other"))
    found = [fault for fault in faults(embedded) if fault.code == "foreign_owner"]
    assert [fault.table for fault in found] == ["candidates"]


def test_many_are_counted_and_some_are_named(embedded):
    with embedded.database.write() as session:
        for number in range(30):
            session.add(rows.file(f"{number:064}"))
    found = {fault.code: fault for fault in faults(embedded)}
    assert found["blob_missing"].count == 30
    assert len(found["blob_missing"].ids) == 20

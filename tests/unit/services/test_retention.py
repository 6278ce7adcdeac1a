"""What has had its time goes; what is needed, pinned or used again does not."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from core.db import files
from core.db.retention import KINDS
from core.db.session import now_of
from core.db.tables import AlbumPhoto, Batch, CandidateRow, Checkpoint, File, Job, JobEventRow, Restoration, Subject
from core.domain.job import ENDED_JOB_LIFE
from core.services.retention import forget_expired
from core.services.sweep import sweep
from core.storage.base import write_blob
from core.storage.database import DatabaseStore
from tests import rows
from tests.rows import put

NOTHING = dict.fromkeys(KINDS, 0)
DAY = timedelta(days=1)


@pytest.fixture
def past(database):
    with database.read() as session:
        return now_of(session) - DAY


def a_restoration(database, past, **job):
    """A file, its restoration with a candidate, and its job, all over."""
    job_id = put(database, **job)
    with database.write() as session:
        session.add(rows.file("a" * 64, id="fil_1", expires_at=past))
        candidate = rows.candidate(session, "b" * 64)
        row = session.get_one(Restoration, candidate.restoration_id)
        row.file_id, row.job_id, row.expires_at = "fil_1", job_id, past
        session.get_one(Job, job_id).expires_at = past
    return job_id


def count(database, table):
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(table))


def test_a_result_goes_with_its_photo_its_job_and_its_timeline(database, past):
    a_restoration(database, past, status="succeeded", finished_at=rows.NOW)
    assert forget_expired(database) == NOTHING | {"restorations": 1, "files": 1, "jobs": 1}
    assert [count(database, table) for table in (Restoration, CandidateRow, File, Job, JobEventRow)] == [0] * 5
    assert forget_expired(database) == NOTHING


def test_a_batch_goes_after_the_last_of_its_results(database, past):
    job_id = a_restoration(database, past)
    with database.write() as session:
        session.add(Batch(id="bat_1", owner_id=rows.OWNER, photos=1, rejected=[], created_at=past, expires_at=past))
        session.scalars(select(Restoration)).one().batch_id = "bat_1"
    assert forget_expired(database) == NOTHING  # its job is open
    with database.write() as session:
        job = session.get_one(Job, job_id)
        job.status, job.finished_at = "succeeded", rows.NOW
    assert forget_expired(database) == NOTHING | {"restorations": 1, "batches": 1, "files": 1, "jobs": 1}


def test_what_an_open_job_needs_stays_however_old_it_is(database, past):
    job_id = a_restoration(database, past, checkpoint_id="ckp_1")
    with database.write() as session:
        rows.checkpoint(session, id="ckp_1", expires_at=past)
        rows.checkpoint(session, id="ckp_2", job_id=job_id, expires_at=past, identity="b" * 64)
    assert forget_expired(database) == NOTHING


def test_the_photo_of_a_result_stays_with_it_though_it_was_uploaded_long_before(database, past):
    a_restoration(database, past, status="succeeded", finished_at=rows.NOW)
    with database.write() as session:
        session.query(Restoration).one().expires_at = past + 2 * DAY
    assert forget_expired(database) == NOTHING
    with database.write() as session:
        session.query(Restoration).one().expires_at = past
    assert forget_expired(database) == NOTHING | {"restorations": 1, "files": 1, "jobs": 1}


def test_what_is_not_over_stays(database, past):
    with database.write() as session:
        session.add(rows.file("a" * 64, expires_at=past + 2 * DAY))
        rows.checkpoint(session, expires_at=past + 2 * DAY)
    assert forget_expired(database) == NOTHING


def test_a_checkpoint_goes_and_its_subject_has_no_default_any_more(database, past):
    with database.write() as session:
        old = rows.checkpoint(session, expires_at=past, status="ready")
        pinned = rows.checkpoint(session, expires_at=past, status="ready", pinned=True)
        for row in (old, pinned):
            session.get_one(Subject, row.subject_id).default_checkpoint_id = row.id
    assert forget_expired(database) == NOTHING | {"checkpoints": 1}
    with database.read() as session:
        assert session.get_one(Subject, old.subject_id).default_checkpoint_id is None
        assert session.get_one(Subject, pinned.subject_id).default_checkpoint_id == pinned.id
        assert session.scalars(select(Checkpoint.id)).all() == [pinned.id]


def test_an_album_stays_when_the_file_it_came_from_goes(database, past):
    with database.write() as session:
        session.add(rows.file("a" * 64, expires_at=past))
        rows.album_photo(session, "a" * 64)
    assert forget_expired(database)["files"] == 1
    assert count(database, AlbumPhoto) == 1


def test_more_than_one_transaction_takes_is_forgotten_too(database, past):
    with database.write() as session:
        session.add_all([rows.file("a" * 64, expires_at=past) for _ in range(600)])
    assert forget_expired(database)["files"] == 600


def test_the_bytes_of_what_is_over_go_with_the_next_sweep(database, past):
    store = DatabaseStore(database)
    ref = write_blob(store, rows.OWNER, b"over")
    with database.write() as session:
        session.add(rows.file(ref.sha256, expires_at=past))
    assert sweep(database, store, timedelta(0)).blobs == 0
    forget_expired(database)
    assert sweep(database, store, timedelta(0)).blobs == 1


def test_a_photo_that_somebody_is_asking_for_at_this_moment_stays(postgres_database, past):
    with postgres_database.write() as session:
        session.add(rows.file("a" * 64, id="fil_1", expires_at=past))
    with postgres_database.write() as session:
        files.get(session, rows.OWNER, "fil_1", keep=True)
        assert forget_expired(postgres_database) == NOTHING
    assert forget_expired(postgres_database) == NOTHING | {"files": 1}


def test_a_photo_that_came_along_goes_with_the_last_restoration_of_it(database, past):
    with database.write() as session:
        session.add(rows.file("a" * 64, id="fil_1", expires_at=None))
        for moment in (past, past + 2 * DAY):
            row = rows.restoration(session, [])
            row.file_id, row.expires_at = "fil_1", moment
    assert forget_expired(database) == NOTHING | {"restorations": 1}
    with database.write() as session:
        session.query(Restoration).one().expires_at = past
    assert forget_expired(database) == NOTHING | {"restorations": 1, "files": 1}


def test_a_tombstone_goes_when_no_job_is_left_that_it_could_stop(database, past):
    with database.write() as session:
        subject = rows.subject(session)
        subject.deleted_at = past - ENDED_JOB_LIFE
        fresh = rows.subject(session)
        fresh.deleted_at = past
        subject_id, fresh_id = subject.id, fresh.id
    job_id = put(database)
    assert forget_expired(database)["tombstones"] == 0
    with database.write() as session:
        session.get_one(Job, job_id).finished_at = past
    assert forget_expired(database)["tombstones"] == 1
    with database.read() as session:
        assert session.get(Subject, subject_id) is None
        assert session.get(Subject, fresh_id) is not None

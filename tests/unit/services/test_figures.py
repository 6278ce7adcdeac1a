from datetime import UTC, datetime, timedelta

import pytest

from core.db.session import now_of
from core.db.tables import Blob, Worker
from core.services import figures
from core.services.figures import WorkerFigures, read_figures
from tests import rows

LIFE = timedelta(seconds=60)


@pytest.fixture
def put(database):
    def put(*things):
        with database.write() as session:
            session.add_all(things)

    return put


@pytest.fixture
def read(database):
    def read():
        with database.read() as session:
            return read_figures(session, LIFE)

    return read


def ended(job_id, seconds, memory=1000, **columns):
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    metrics = {"seconds": seconds, "peak_memory_bytes": memory, "note": "text", "yes": True}
    return rows.job(id=job_id, status="succeeded", finished_at=moment, metrics=metrics, **columns)


def worker(name, at, **columns):
    row = Worker(
        id=f"wkr_{name}",
        name=name,
        device="cpu",
        precision="fp32",
        priors=[],
        state="busy",
        job_ids=["job_1"],
        metrics={"peak_memory_bytes": 5, "note": "text"},
        started_at=at,
        last_seen_at=at,
    )
    for column, value in columns.items():
        setattr(row, column, value)
    return row


def test_an_empty_service_has_nothing_to_tell(read):
    found = read()
    assert (found.jobs, found.attempts, found.stage_seconds, found.workers, found.blobs) == ({}, {}, {}, [], {})
    assert (found.oldest_queued_seconds, found.job_memory_bytes) == (0.0, 0.0)


def test_jobs_are_counted_by_kind_and_status_and_their_attempts_added(put, read):
    put(
        rows.job(id="job_1", kind="album", status="queued", attempt=2, crashes=1, faults=3),
        rows.job(id="job_2", kind="album", status="running", attempt=1),
        rows.job(id="job_3", kind="restoration", status="queued"),
    )
    found = read()
    assert found.jobs == {("album", "queued"): 1, ("album", "running"): 1, ("restoration", "queued"): 1}
    assert found.attempts == {"album": 3, "restoration": 0}
    assert found.crashes["album"] == 1
    assert found.faults["album"] == 3


def test_the_queue_s_age_is_its_first_job_s(database, put, read):
    with database.read() as session:
        now = now_of(session)
    put(
        rows.job(id="job_1", status="queued", created_at=now - timedelta(seconds=300)),
        rows.job(id="job_2", status="queued", created_at=now - timedelta(seconds=30)),
        rows.job(id="job_3", status="succeeded", created_at=now - timedelta(days=3)),
    )
    assert 300 <= read().oldest_queued_seconds < 400


def test_a_job_that_cannot_be_taken_yet_does_not_age_the_queue(database, put, read):
    with database.read() as session:
        now = now_of(session)
    hours = [now - timedelta(hours=n) for n in range(6)]
    put(
        rows.job(id="job_1", status="running", created_at=hours[5]),
        rows.job(id="job_2", status="queued", created_at=hours[4], waits_for_job_id="job_1"),
        rows.job(id="job_3", status="queued", created_at=hours[4], run_after=now + timedelta(hours=1)),
    )
    assert read().oldest_queued_seconds == 0.0
    put(
        rows.job(id="job_4", status="succeeded", created_at=hours[5], finished_at=hours[1]),
        rows.job(id="job_5", status="queued", created_at=hours[3], waits_for_job_id="job_4"),
    )
    assert 3600 <= read().oldest_queued_seconds < 7200
    put(rows.job(id="job_6", status="queued", created_at=hours[3], run_after=hours[2]))
    assert 7200 <= read().oldest_queued_seconds < 10_800


def test_what_stages_took_is_told_from_the_jobs_that_ended_last(put, read, monkeypatch):
    monkeypatch.setattr(figures, "RECENT_JOBS", 2)
    put(
        ended("job_1", {"restore": 100.0}, memory=10**9),
        ended("job_2", {"align": 1.0, "restore": 2.0}, memory=2000),
        ended("job_3", {"restore": 4.0}, memory=3000),
        rows.job(id="job_4", status="running"),
    )
    found = read()
    kind = rows.job(id="job_5").kind
    assert {key: sorted(values) for key, values in found.stage_seconds.items()} == {
        (kind, "align"): [1.0],
        (kind, "restore"): [2.0, 4.0],
    }
    assert found.job_memory_bytes == 3000.0


def test_workers_that_were_not_heard_of_are_gone(database, put, read):
    with database.read() as session:
        now = now_of(session)
    put(worker("here", now), worker("away", now - timedelta(seconds=120)))
    assert read().workers == [WorkerFigures("here", "cpu", "busy", 1, {"peak_memory_bytes": 5.0})]


def test_blobs_are_counted_by_state(put, read):
    at = datetime(2026, 1, 1, tzinfo=UTC)
    put(
        *(
            Blob(owner_id=rows.OWNER, sha256=f"{n:064x}", size_bytes=2**40, state=state, renewed_at=at)
            for n, state in enumerate(("ready", "ready", "staging"))
        )
    )
    assert read().blobs == {"ready": (2, 2**41), "staging": (1, 2**40)}

from datetime import timedelta

import pytest
from sqlalchemy.exc import OperationalError

from core.db.tables import Job, Worker
from tests.benches import crops


@pytest.fixture
def held(bench, worker):
    bench.add_restoration(crops(1)[0])
    (held,) = worker.loop.take()
    return held


@pytest.fixture
def clock(held, worker):
    now = [1000.0]
    held.clock = worker.heartbeat._clock = lambda: now[0]
    held.confirmed_at = 1000.0
    return now


def test_a_beat_renews_the_lease_and_the_worker_s_own_row(bench, worker, held):
    worker.presence.register("cpu", "fp32", [])
    bench.let_lease_run_out(held.job)
    overdue = bench.job(held.job).lease_until
    with worker.heartbeat.holding([held]):
        worker.heartbeat.beat()
    assert bench.job(held.job).lease_until > overdue + timedelta(seconds=50)
    row = bench.row(Worker, worker.presence.id)
    assert (row.state, row.job_ids) == ("busy", [held.id])
    worker.heartbeat.beat()
    assert bench.row(Worker, worker.presence.id).state == "idle"


def test_between_beats_the_database_is_asked_only_where_there_is_progress(bench, worker, held, clock):
    with worker.heartbeat.holding([held]):
        worker.heartbeat.beat()
        first = bench.job(held.job).lease_until
        clock[0] += 1
        worker.heartbeat.beat()
        assert bench.job(held.job).lease_until == first
        held.progressed("restore", 3, 12)
        worker.heartbeat.beat()
    row = bench.job(held.job)
    assert row.lease_until > first
    assert (row.stage, row.progress_done, row.progress_total) == ("restore", 3, 12)


def test_each_stage_that_began_is_in_the_timeline_once(bench, worker, held):
    with worker.heartbeat.holding([held]):
        for stage, done in (("align", 0), ("align", 1), ("restore", 0), ("restore", 1)):
            held.progressed(stage, done, 2)
        worker.heartbeat.beat()
        held.progressed("restore", 2, 2)
        worker.heartbeat.beat()
    assert bench.events(held.job) == ["created", "claimed", "stage", "stage"]


def test_a_cancellation_is_heard_and_a_lost_lease_too(bench, worker, held):
    bench.change(Job, held.id, cancel_requested=True)
    with worker.heartbeat.holding([held]):
        worker.heartbeat.beat()
    assert held.cancel_requested
    assert held.open
    bench.change(Job, held.id, attempt=2)
    with worker.heartbeat.holding([held]):
        worker.heartbeat.beat()
    assert held.lost
    assert not held.open


def test_that_a_job_is_gone_while_its_end_is_written_is_no_loss(bench, worker, held):
    held.ending = True
    bench.change(Job, held.id, status="succeeded")
    with worker.heartbeat.holding([held]):
        worker.heartbeat.beat()
    assert not held.lost


def test_after_three_quarters_of_a_lease_without_an_answer_nobody_is_sure_any_more(worker, held, clock):
    assert worker.heartbeat.sure_of(held)
    clock[0] += 45
    assert worker.heartbeat.sure_of(held)
    clock[0] += 0.1
    assert not worker.heartbeat.sure_of(held)


def test_a_missed_beat_loses_no_progress_and_the_next_one_makes_good(bench, worker, held, clock, monkeypatch):
    def away():
        raise OperationalError("UPDATE", {}, Exception("connection refused"))

    held.progressed("restore", 3, 12)
    with worker.heartbeat.holding([held]):
        with monkeypatch.context() as broken:
            broken.setattr(bench.database, "write", away)
            worker.heartbeat.beat()
        assert held.has_news
        clock[0] += 1
        worker.heartbeat.beat()
    assert bench.events(held.job)[-1] == "stage"
    assert held.confirmed_at == clock[0]

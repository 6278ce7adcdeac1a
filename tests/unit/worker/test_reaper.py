import threading
from datetime import timedelta

import pytest

from core.db.refused import WritesRefusedError
from core.db.tables import Job, Worker
from core.services.reaping import FIRST_HOUSEKEEPING_SECONDS, HOUSEKEEPING_SECONDS, Reaper
from tests.benches import bench_on, crops
from tests.writes import refuse_writes
from worker.process import WorkerProcess

LEASE = timedelta(seconds=60)


@pytest.fixture(params=["sqlite", "postgres"])
def bench(request, tmp_path):
    """On both databases; Postgres has been up for a shorter time than a lease."""
    from core.db.session import Database

    database = Database(request.getfixturevalue(f"{request.param}_url"))
    yield bench_on(database, tmp_path / "home")
    database.close()


@pytest.fixture
def worker(bench):
    return WorkerProcess(bench.settings, bench.database, bench.store)


def reaper_of(bench, lease=LEASE, housekeeping=lambda: None, **options):
    return Reaper(bench.database, lease, 0.01, housekeeping, **options)


def test_a_dead_worker_s_job_goes_back_into_the_queue_with_a_mark(bench, worker):
    job = bench.add_restoration(crops(1)[0])
    worker.loop.take()
    bench.let_lease_run_out(job)
    assert reaper_of(bench, timedelta(0)).reap().requeued == [job.id]
    assert (bench.job(job).status, bench.job(job).crashes) == ("queued", 1)


def test_a_living_worker_s_job_is_left_to_it(bench, worker):
    job = bench.add_restoration(crops(1)[0])
    worker.loop.take()
    assert reaper_of(bench, timedelta(0)).reap().requeued == []
    assert bench.job(job).status == "running"


def test_nobody_is_judged_before_a_lease_has_passed_since_the_server_s_start(bench, worker):
    job = bench.add_restoration(crops(1)[0])
    worker.loop.take()
    bench.let_lease_run_out(job)
    found = reaper_of(bench, timedelta(days=10_000)).reap()
    assert found.requeued == ([job.id] if bench.database.is_sqlite else [])


def test_a_machine_that_slept_judges_nobody_until_its_own_heartbeat_had_a_lease_to_get_through(bench, worker):
    day = [0.0]
    reaper = reaper_of(bench, timedelta(seconds=8), wall=lambda: day[0])
    job = bench.add_restoration(crops(1)[0])
    held = worker.loop.take()
    reaper.reap()
    day[0] += 3600  # the lid was closed
    bench.let_lease_run_out(job)
    assert reaper.reap().requeued == []
    with worker.heartbeat.holding(held):
        worker.heartbeat.beat()
    assert (bench.job(job).status, bench.job(job).crashes) == ("running", 0)
    bench.let_lease_run_out(job)
    requeued = []
    for _ in range(9):
        day[0] += 1
        requeued += reaper.reap().requeued
    if bench.database.is_sqlite:  # Postgres itself may be too young here, see above
        assert requeued == [job.id]


def test_once_a_database_takes_writes_again_heartbeats_have_a_lease_to_get_through_before_anybody_is_judged(
    bench, worker
):
    day = [0.0]
    reaper = reaper_of(bench, timedelta(seconds=8), wall=lambda: day[0])
    job = bench.add_restoration(crops(1)[0])
    held = worker.loop.take()
    reaper.reap()
    with refuse_writes(bench.database):
        for _ in range(10):  # longer than a lease, a round a second
            day[0] += 1
            with pytest.raises(WritesRefusedError):
                reaper.reap()
        with worker.heartbeat.holding(held):
            worker.heartbeat.beat()
    bench.let_lease_run_out(job)
    assert reaper.reap().requeued == []
    with worker.heartbeat.holding(held):
        worker.heartbeat.beat()
    assert (bench.job(job).status, bench.job(job).crashes) == ("running", 0)


def test_the_thread_reaps_again_and_again_and_keeps_house_a_minute_after_the_start_and_once_an_hour(bench, worker):
    now, kept = [0.0], threading.Event()
    reaper = reaper_of(bench, timedelta(0), kept.set, clock=lambda: now[0])
    reaper.start()
    assert not kept.wait(0.1)
    now[0] = FIRST_HOUSEKEEPING_SECONDS + 1
    assert kept.wait(10)
    kept.clear()
    assert not kept.wait(0.1)
    now[0] += HOUSEKEEPING_SECONDS + 1
    assert kept.wait(10)
    reaper.stop()


def test_a_round_that_fails_is_not_the_last(bench, worker):
    kept = threading.Event()
    calls = []

    def housekeeping():
        calls.append(1)
        if len(calls) == 1:
            raise ZeroDivisionError
        kept.set()

    now = [0.0]

    def clock():
        now[0] += HOUSEKEEPING_SECONDS + 1
        return now[0]

    reaper = reaper_of(bench, timedelta(0), housekeeping, clock=clock)
    reaper.start()
    assert kept.wait(10)
    reaper.stop()


def test_a_worker_is_there_from_its_start_to_its_end(bench):
    worker = WorkerProcess(bench.settings, bench.database, bench.store)
    with worker:
        row = bench.row(Worker, worker.presence.id)
        assert (row.state, row.precision, row.priors) == ("idle", "fp32", list(worker.priors))
        assert bench.spec.sha256 in row.priors
        worker.stop()
        worker.presence.seen([])
        assert bench.row(Worker, worker.presence.id).state == "draining"
    assert bench.row(Worker, worker.presence.id).state == "gone"


def test_a_worker_whose_station_is_set_aside_takes_nothing_until_its_time_is_over_and_a_success_is_noted(bench):
    with WorkerProcess(bench.settings, bench.database, bench.store) as worker:
        row = bench.row(Worker, worker.presence.id)
        assert row.station == bench.settings.station
        job = bench.add_restoration(crops(1)[0])
        bench.change(Worker, row.id, set_aside_until=row.started_at + timedelta(hours=1))
        assert worker.loop.take() == []
        bench.change(Worker, row.id, set_aside_until=row.started_at)
        worker.loop.run_until_empty()
        assert bench.job(job).status == "succeeded"
        assert bench.row(Worker, row.id).succeeded_at > row.started_at


def test_workers_that_are_long_gone_are_forgotten(bench, worker):
    worker.presence.register("cpu", "fp32", [])
    row = bench.row(Worker, worker.presence.id)
    worker.reaper._housekeeping()
    assert bench.row(Worker, worker.presence.id) is not None
    bench.change(Worker, worker.presence.id, last_seen_at=row.last_seen_at - timedelta(days=8))
    worker.reaper._housekeeping()
    assert bench.row(Worker, worker.presence.id) is None


def test_an_idle_worker_wakes_when_it_is_rung(bench):
    bench.settings = bench.settings.model_copy(update={"poll_seconds": 3600.0})
    with WorkerProcess(bench.settings, bench.database, bench.store) as worker:
        thread = threading.Thread(target=worker.run)
        thread.start()
        job = bench.add_restoration(crops(1)[0])
        while bench.job(job).status in ("queued", "running"):
            worker.loop.ring()
            thread.join(0.05)
        worker.stop()
        thread.join()
    assert bench.job(job).status == "succeeded"
    assert bench.row(Job, job.id).worker_id is None

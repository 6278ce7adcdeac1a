import threading

import pytest

from core.db import usage
from core.db.session import now_of
from core.db.tables import Checkpoint, Job
from core.domain.errors import LeaseLostError
from tests.benches import OWNER, at_step, crops, portraits, tiny_recipe
from worker.drain import Drain
from worker.endings import Endings
from worker.held import HeldJob
from worker.process import WorkerProcess

LONG = tiny_recipe("personal", finetune={"iterations": 30})


@pytest.fixture
def another(bench):
    """Another worker on the same bench."""
    return WorkerProcess(bench.settings, bench.database, bench.store)


@pytest.fixture
def album(bench):
    subject = bench.add_subject()
    photos = bench.add_album(subject, portraits(3))
    return lambda: bench.add_tuning(subject, photos, LONG, kind="checkpoint")


def test_a_drained_tuning_goes_back_without_a_mark_and_another_worker_ends_it_to_the_same_bytes(
    bench, worker, another, album
):
    job = album()
    at_step(worker, 30, worker.stop)
    worker.loop.run_until_drained()
    drained = bench.job(job)
    assert (drained.status, drained.crashes, drained.faults, drained.run_after) == ("queued", 0, 0, None)
    assert "resume-finetune" in bench.outputs(job)
    assert bench.row(Checkpoint, job.checkpoint_id).status == "pending"
    another.loop.run_until_empty()
    assert (bench.job(job).status, bench.job(job).attempt) == ("succeeded", 2)
    assert bench.events(job).count("drained") == 1
    uninterrupted = album()
    another.loop.run_until_empty()
    assert bench.checkpoint_bytes(job) == bench.checkpoint_bytes(uninterrupted)


def test_a_resumed_tuning_does_not_begin_again(bench, worker, another, album, monkeypatch):
    job = album()
    at_step(worker, 30, worker.stop)
    worker.loop.run_until_drained()
    told = []
    progressed = HeldJob.progressed
    monkeypatch.setattr(HeldJob, "progressed", lambda held, *step: (told.append(step), progressed(held, *step)))
    another.loop.run_until_empty()
    done = [done for stage, done, _ in told if stage == "finetune"]
    assert done[0] > 5
    assert done == list(range(done[0], 31))
    assert bench.outputs(job) == set()


def test_what_each_attempt_took_is_counted_for_its_owner_whatever_became_of_it(bench, worker, another, album):
    def used():
        with bench.database.read() as session:
            return usage.of_today(session, OWNER, now_of(session))

    job = album()
    at_step(worker, 30, worker.stop)
    worker.loop.run_until_drained()
    first = used()
    assert first == pytest.approx(bench.job(job).run_seconds)
    another.loop.run_until_empty()
    assert used() == pytest.approx(first + bench.job(job).run_seconds)


def test_a_drained_worker_takes_nothing_more(bench, worker):
    jobs = [bench.add_restoration(photo, candidates=number) for number, photo in enumerate(crops(2), start=1)]
    at_step(worker, 12, worker.stop)
    worker.loop.run_until_drained()
    assert {bench.job(job).status for job in jobs} == {"queued"}
    assert [bench.job(job).attempt for job in jobs] == [1, 0]


def test_a_drain_whose_time_is_over_hands_back_what_the_step_in_hand_holds_without_a_mark(
    bench, worker, another, album
):
    job = album()
    stored = []

    def time_is_over():
        worker.stop()
        watching = threading.Thread(target=worker.runner.hand_back)
        watching.start()
        watching.join()
        stored.append(bench.outputs(job))

    at_step(worker, 30, time_is_over)
    worker.loop.run_until_drained()
    back = bench.job(job)
    assert (back.status, back.crashes, back.faults, back.run_after) == ("queued", 0, 0, None)
    assert bench.outputs(job) == stored[0]
    assert bench.events(job).count("drained") == 1
    another.loop.run_until_empty()
    assert (bench.job(job).status, bench.job(job).attempt) == ("succeeded", 2)


def test_what_was_handed_back_is_not_written_by_the_step_that_was_in_hand(bench, worker, another):
    job = bench.add_restoration(crops(1)[0])
    (held,) = worker.loop.take()
    with worker.heartbeat.holding([held]):
        worker.stop()
        worker.runner.hand_back()
    held.ended = False  # as if the step did not look
    (other,) = another.loop.take()
    with pytest.raises(LeaseLostError):
        Endings(worker.runner._patience, dict).succeeded(held, lambda *_: None, {}, [])
    assert (bench.job(job).status, bench.job(job).attempt) == ("running", other.attempt)


def test_an_idle_worker_has_nothing_to_hand_back(bench, worker):
    worker.runner.hand_back()
    job = bench.add_restoration(crops(1)[0])
    worker.loop.run_until_empty()
    worker.runner.hand_back()
    assert bench.job(job).status == "succeeded"


def test_a_cancelled_job_ends_at_the_next_step_and_leaves_nothing_to_go_on_from(bench, worker, album):
    job = album()
    waiting = bench.add_restoration(crops(1)[0], checkpoint=job, waits=True)

    def cancel():
        bench.change(Job, job.id, cancel_requested=True)
        worker.heartbeat._due_at = 0.0
        worker.heartbeat.beat()

    at_step(worker, 30, cancel)
    worker.loop.run_until_empty()
    assert bench.job(job).status == "cancelled"
    assert bench.outputs(job) == set()
    assert bench.row(Checkpoint, job.checkpoint_id).status == "failed"
    assert bench.job(waiting).error["code"] == "checkpoint_not_ready"


def test_a_job_that_another_worker_took_is_dropped_without_a_word(bench, worker, album):
    job = album()
    before = []

    def lose():
        before.append(bench.outputs(job))
        bench.change(Job, job.id, attempt=2, worker_id="wkr_other")

    at_step(worker, 30, lose)
    worker.loop.run_until_empty()
    assert bench.job(job).status == "running"
    assert bench.outputs(job) == before[0]
    assert "drained" not in bench.events(job)


def test_a_drain_has_a_time_limit_from_the_moment_it_was_asked_for():
    now = [100.0]
    drain = Drain(30.0, clock=lambda: now[0])
    assert not drain.requested
    assert not drain.over
    drain.request()
    now[0] = 125.0
    drain.request()
    assert not drain.over
    now[0] = 130.0
    assert drain.over

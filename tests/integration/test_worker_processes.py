"""Worker processes on real databases: killed, drained, stuck."""

import re
import signal

from sqlalchemy import text

from tests.benches import crops, portraits, tiny_recipe
from tests.integration.workers import ended, kill, started

LONG = tiny_recipe("personal", finetune={"iterations": 150})
EAGER = ("-m", "tests.integration.eager_worker")


def in_the_middle_of_tuning(bench, job):
    def reached():
        row = bench.job(job)
        return row.stage == "finetune" and row.progress_done > 5 and "resume-finetune" in bench.outputs(job)

    return reached


def album_of(bench):
    """Makes jobs that tune, each time to the same bytes."""
    subject = bench.add_subject()
    photos = bench.add_album(subject, portraits(3))
    return lambda: bench.add_tuning(subject, photos, LONG, kind="checkpoint")


def test_a_worker_killed_in_the_middle_of_a_tuning_is_replaced_and_the_bytes_are_those_of_an_uninterrupted_run(served):
    bench, workers = served
    album = album_of(bench)
    for _ in range(2):
        workers.start(*EAGER)
    workers.wait_for(started(workers, 2), "both workers")
    job = album()
    workers.wait_for(in_the_middle_of_tuning(bench, job), "the middle of a tuning")
    kill(workers.holder(bench, job))
    uninterrupted = album()
    workers.wait_for_crash(bench, job)
    workers.wait_for(ended(bench, job, uninterrupted), "the end of both jobs")
    row = bench.job(job)
    assert (row.status, row.attempt, row.crashes) == ("succeeded", 2, 1)
    assert bench.events(job).count("lease_lost") == 1
    assert bench.job(uninterrupted).attempt == 1
    first, other, again = sorted(int(step) for step in re.findall(r"tuning from step (\d+)\.", workers.said()))
    assert (first, other) == (0, 0)
    assert again > 5
    assert bench.checkpoint_bytes(job) == bench.checkpoint_bytes(uninterrupted)


def test_a_worker_that_is_told_to_stop_gives_its_job_back_and_says_goodbye(on_sqlite):
    bench, workers = on_sqlite
    job = album_of(bench)()
    first = workers.start(*EAGER)
    workers.wait_for(in_the_middle_of_tuning(bench, job), "the middle of a tuning")
    first.send_signal(signal.SIGTERM)
    assert first.wait(timeout=60) == 0
    row = bench.job(job)
    assert (row.status, row.crashes, row.faults, row.run_after) == ("queued", 0, 0, None)
    with bench.database.read() as session:
        assert session.scalar(text("SELECT state FROM workers")) == "gone"


def test_a_step_longer_than_a_drain_may_take_is_no_crash(on_postgres):
    bench, workers = on_postgres
    job = bench.add_restoration(crops(1)[0])
    process = workers.start("-m", "tests.integration.stuck_worker", drain_seconds="0.5")
    workers.wait_for(lambda: "stuck in a step" in workers.said(), "the step")
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 1
    row = bench.job(job)
    assert (row.status, row.attempt, row.crashes, row.faults) == ("queued", 1, 0, 0)
    assert bench.events(job)[-1] == "drained"

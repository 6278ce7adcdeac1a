"""`heirloom worker` with a broker: rung over Redis, and not in need of it."""

import os
import signal

import pytest
from celery import Celery
from sqlalchemy import select

from core.broker import QUEUE, TASK_NAME, celery_options
from core.db.tables import Worker
from tests.benches import crops, portraits, tiny_recipe
from tests.integration.workers import ended, kill, started
from tests.servers import free_port

NOBODY = f"redis://127.0.0.1:{free_port()}/0"
"""Where no Redis was ever started."""


def ring(broker_url):
    bell = Celery("ringer", set_as_current=False)
    bell.conf.update(celery_options(broker_url))
    with bell.connection_for_write() as connection:
        bell.send_task(TASK_NAME, queue=QUEUE, connection=connection, ignore_result=True)


def names(bench):
    with bench.database.read() as session:
        return session.scalars(select(Worker.name).order_by(Worker.started_at)).all()


@pytest.fixture(params=["with redis", "without redis"])
def broker_url(request):
    """A broker's address, where somebody listens or nobody."""
    if request.param == "with redis":
        return request.getfixturevalue("redis_url")
    return NOBODY


def test_a_ring_wakes_a_worker_that_would_poll_in_an_hour(on_postgres, redis_url):
    bench, workers = on_postgres
    workers.start_celery(redis_url, poll_seconds="3600")
    workers.wait_for(started(workers), "the worker")
    job = bench.add_restoration(crops(1)[0])
    ring(redis_url)
    workers.wait_for(ended(bench, job), "the job's end")
    assert bench.job(job).status == "succeeded"


def test_a_child_that_dies_is_replaced_and_its_replacement_works_and_is_drained_with_redis_and_without_it(
    on_postgres, broker_url
):
    bench, workers = on_postgres
    process = workers.start_celery(broker_url)
    (name,) = workers.wait_for(lambda: names(bench), "the worker")
    os.kill(int(name.split("-")[-2]), signal.SIGKILL)
    subject = bench.add_subject()
    album = bench.add_tuning(subject, bench.add_album(subject, portraits(3)))
    photo = bench.add_restoration(crops(1)[0], checkpoint=album, waits=True)
    workers.wait_for(ended(bench, album, photo), "the jobs' end")
    assert {bench.job(job).status for job in (album, photo)} == {"succeeded"}
    assert len(names(bench)) == 2
    job = bench.add_restoration(crops(1)[0], tiny_recipe("generative", finetune={"iterations": 100_000}))
    workers.wait_for(lambda: bench.job(job).stage == "finetune", "the tuning")
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 0
    row = bench.job(job)
    assert (row.status, row.crashes, row.faults) == ("queued", 0, 0)
    assert "resume-finetune" in bench.outputs(job)


def test_a_step_longer_than_a_drain_may_take_is_no_crash_for_celery_either(on_postgres, redis_url):
    bench, workers = on_postgres
    job = bench.add_restoration(crops(1)[0])
    process = workers.start_celery(redis_url, includes="tests.integration.stuck_worker", drain_seconds="0.5")
    workers.wait_for(lambda: "stuck in a step" in workers.said(), "the step")
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 0
    row = bench.job(job)
    assert (row.status, row.attempt, row.crashes, row.faults) == ("queued", 1, 0, 0)
    assert bench.events(job)[-1] == "drained"


def test_a_killed_celery_worker_s_job_is_ended_by_another(on_postgres, redis_url):
    bench, workers = on_postgres
    for _ in range(2):
        workers.start_celery(redis_url)
    workers.wait_for(started(workers, 2), "both workers")
    job = bench.add_restoration(crops(1)[0], tiny_recipe("generative", finetune={"iterations": 300}))
    workers.wait_for(lambda: bench.job(job).stage == "finetune", "the tuning")
    kill(workers.holder(bench, job))
    workers.wait_for_crash(bench, job)
    workers.wait_for(ended(bench, job), "the job's end")
    row = bench.job(job)
    assert (row.status, row.attempt, row.crashes) == ("succeeded", 2, 1)

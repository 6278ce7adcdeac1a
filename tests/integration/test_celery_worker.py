"""`heirloom worker` with a broker: rung over Redis, and not in need of it."""

import signal

from celery import Celery

from core.broker import QUEUE, TASK_NAME, celery_options
from tests.benches import crops, portraits, tiny_recipe
from tests.integration.workers import kill
from tests.servers import free_port


def ended(bench, *jobs):
    return lambda: all(bench.job(job).finished_at for job in jobs)


def ring(broker_url):
    bell = Celery("ringer", set_as_current=False)
    bell.conf.update(celery_options(broker_url))
    with bell.connection_for_write() as connection:
        bell.send_task(TASK_NAME, queue=QUEUE, connection=connection, ignore_result=True)


def started(workers):
    return lambda: "worker_started" in workers.said()


def test_a_ring_wakes_a_worker_that_would_poll_in_an_hour(on_postgres, redis_url):
    bench, workers = on_postgres
    workers.start_celery(redis_url, poll_seconds="3600")
    workers.wait_for(started(workers), "the worker")
    job = bench.add_restoration(crops(1)[0])
    ring(redis_url)
    workers.wait_for(ended(bench, job), "the job's end")
    assert bench.job(job).status == "succeeded"


def test_with_redis_never_started_a_job_still_finishes_and_the_worker_drains(on_postgres):
    bench, workers = on_postgres
    nobody = f"redis://127.0.0.1:{free_port()}/0"
    subject = bench.add_subject()
    album = bench.add_tuning(subject, bench.add_album(subject, portraits(3)))
    photo = bench.add_restoration(crops(1)[0], checkpoint=album, waits=True)
    process = workers.start_celery(nobody)
    workers.wait_for(ended(bench, album, photo), "the jobs' end")
    assert {bench.job(job).status for job in (album, photo)} == {"succeeded"}
    endless = bench.add_restoration(crops(1)[0], tiny_recipe("generative", finetune={"iterations": 100_000}))
    workers.wait_for(lambda: bench.job(endless).stage == "finetune", "the endless job's tuning")
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=60)
    row = bench.job(endless)
    assert (row.status, row.crashes) == ("queued", 0)


def test_a_killed_celery_worker_s_job_is_ended_by_another(on_postgres, redis_url):
    bench, workers = on_postgres
    job = bench.add_restoration(crops(1)[0], tiny_recipe("generative", finetune={"iterations": 300}))
    first = workers.start_celery(redis_url)
    workers.wait_for(lambda: bench.job(job).stage == "finetune", "the tuning")
    kill(first)
    workers.start_celery(redis_url)
    workers.wait_for(ended(bench, job), "the job's end")
    row = bench.job(job)
    assert (row.status, row.attempt, row.crashes) == ("succeeded", 2, 1)

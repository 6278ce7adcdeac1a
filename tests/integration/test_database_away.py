"""Postgres stopped hard while a worker tunes: work goes on, nothing is lost, and nobody is called dead for it."""

import time

from tests.benches import portraits, tiny_recipe

AWAY_SECONDS = 6.0
"""Longer than the workers' lease of four."""


def test_a_job_outlives_the_database_s_absence_without_a_crash_mark(on_postgres, postgres_server):
    bench, workers = on_postgres
    subject = bench.add_subject()
    recipe = tiny_recipe("personal", finetune={"iterations": 600})
    job = bench.add_tuning(subject, bench.add_album(subject, portraits(3)), recipe)
    workers.start("-m", "worker")
    workers.wait_for(lambda: bench.job(job).stage == "finetune", "the tuning")
    postgres_server.stop()
    time.sleep(AWAY_SECONDS)
    postgres_server.start()
    workers.wait_for(lambda: bench.job(job).finished_at, "the job's end")
    row = bench.job(job)
    assert (row.status, row.attempt, row.crashes, row.faults) == ("succeeded", 1, 0, 0)
    assert "heartbeat_missed" in workers.said()

"""Postgres stopped hard while a worker tunes: work goes on, nothing is lost, and nobody is called dead for it."""

import time

import pytest

from core.db.session import Database
from core.storage.open import open_store
from migrations.run import upgrade
from tests.benches import bench_on, portraits, tiny_recipe
from tests.integration.workers import workers_on
from tests.servers import postgres_folder, running_postgres

LEASE_SECONDS = 3.0
AWAY_SECONDS = LEASE_SECONDS + 1.0


@pytest.fixture
def own_server(postgres_server):
    """A Postgres of this test alone: the session's goes on for the others. Where there is none, both skip."""
    with running_postgres(postgres_folder()) as server:
        yield server


def test_a_job_outlives_the_database_s_absence_without_a_crash_mark(own_server, tmp_path):
    url = own_server.create("away")
    upgrade(url)
    database = Database(url)
    bench = bench_on(database, tmp_path / "home")
    bench.store = open_store("database", tmp_path / "home", database)
    subject = bench.add_subject()
    recipe = tiny_recipe("personal", finetune={"iterations": 300})
    job = bench.add_tuning(subject, bench.add_album(subject, portraits(3)), recipe)
    with workers_on(tmp_path / "home", url, tmp_path / "workers.log") as workers:
        workers.start("-m", "worker", lease_seconds=str(LEASE_SECONDS))
        workers.wait_for(lambda: bench.job(job).stage == "finetune", "the tuning")
        own_server.stop()
        time.sleep(AWAY_SECONDS)
        own_server.start()
        workers.wait_for(lambda: bench.job(job).finished_at, "the job's end")
        row = bench.job(job)
        assert (row.status, row.attempt, row.crashes, row.faults) == ("succeeded", 1, 0, 0)
        assert "heartbeat_missed" in workers.said()
    database.close()

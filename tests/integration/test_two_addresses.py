"""Two workers as on two hosts: they share Postgres and Redis, each by way of an address of its own."""

import socket

import pytest
from sqlalchemy import text

from tests.benches import crops, portraits, tiny_recipe
from tests.integration.workers import ended, started
from tests.servers import ADDRESSES

HOSTS = ADDRESSES[1:]
LEDGER = (
    "CREATE TABLE ledger (job_id text, stage text, item text, came_by text)",
    "CREATE FUNCTION note() RETURNS trigger AS $$ BEGIN INSERT INTO ledger VALUES"
    " (NEW.job_id, NEW.stage, NEW.item, host(inet_server_addr())); RETURN NEW; END $$ LANGUAGE plpgsql",
    "CREATE TRIGGER noted AFTER INSERT OR UPDATE ON stage_outputs FOR EACH ROW EXECUTE FUNCTION note()",
)
"""Every commit of a stage, and the server's address that it came by, written by the database itself."""


@pytest.fixture
def hosts():
    """The two addresses, where there are such."""
    for address in HOSTS:
        with socket.socket() as probe:
            try:
                probe.bind((address, 0))
            except OSError:
                pytest.skip(f"needs {address} on the loopback: ip addr add {address}/8 dev lo")
    return HOSTS


def test_two_workers_on_two_addresses_share_the_queue_and_never_make_the_same_stage_commit(
    hosts, on_postgres, postgres_url, redis_server
):
    bench, workers = on_postgres
    with bench.database.write() as session:
        for statement in LEDGER:
            session.execute(text(statement))
    for address in hosts:
        workers.start_celery(
            redis_server.url(address), database_url=postgres_url.replace(f"@{ADDRESSES[0]}:", f"@{address}:")
        )
    workers.wait_for(started(workers, 2), "both workers")
    workers.wait_for(lambda: all(redis_server.connections_to(address) for address in hosts), "their connections")
    subject = bench.add_subject()
    album = bench.add_tuning(subject, bench.add_album(subject, portraits(3)))
    jobs = [album, *(bench.add_restoration(crops(1)[0], checkpoint=album, waits=True, seed=n) for n in range(12))]
    jobs += [bench.add_restoration(photo, tiny_recipe("generative"), seed=n) for n, photo in enumerate(crops(6))]
    workers.wait_for(ended(bench, *jobs), "the end of all jobs")
    assert {(bench.job(job).status, bench.job(job).attempt) for job in jobs} == {("succeeded", 1)}
    with bench.database.read() as session:
        commits = session.execute(text("SELECT job_id, stage, item FROM ledger")).all()
        ways = session.scalars(text("SELECT DISTINCT came_by FROM ledger ORDER BY 1")).all()
        takers = session.scalars(
            text("SELECT DISTINCT data->>'worker_id' FROM job_events WHERE type = 'claimed'")
        ).all()
    assert len(commits) == len(set(commits)) > len(jobs)
    assert ways == list(hosts)
    assert len(takers) == 2

"""What waited under an earlier schema, and a worker of this version ends it after `heirloom db upgrade`.

Each earlier schema is made by its own migrations, and filled with what its version wrote: the rows of today without the
columns that it did not have, and the options that it gave to jobs.
"""

from contextlib import closing

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Column, MetaData, Table, insert, select

from core.db.session import Database
from core.db.tables import Base
from migrations.run import check, config_on, newest, upgrade
from tests.benches import bench_on, crops, portraits
from tests.decoders import DecodesHere
from worker.process import WorkerProcess

FIRST = "0002"
"""The first that had a queue."""
OPTIONS_OF_CROPS = {"aligned", "native", "candidates", "format"}
WRITTEN = {"0002": OPTIONS_OF_CROPS, "0003": OPTIONS_OF_CROPS}
"""Which options a version gave to a restoration, where it gave fewer than today's; albums' came with `insisted_ids`."""
COUNTED = {"job_events", "outbox"}
"""The database numbers their rows, and no worker needs what is there already."""
RECIPES = {"0002": {"finetune": {"scorings"}, "restore": {"by_photo"}}, "0003": {"restore": {"by_photo"}}}


def earlier():
    """Every revision that had a queue, but for the newest."""
    known = sorted(each.revision for each in ScriptDirectory.from_config(config_on(None)).walk_revisions())
    return [revision for revision in known if FIRST <= revision < newest()]


def as_written(revision, table, row):
    """A row of today as a version wrote it."""
    if table == "jobs" and row["kind"] == "restoration" and revision in WRITTEN:
        row = row | {"options": {name: row["options"][name] for name in WRITTEN[revision]}}
    if table == "jobs" and revision in RECIPES:
        recipe = {
            name: {key: value for key, value in part.items() if key not in RECIPES[revision].get(name, ())}
            if isinstance(part, dict)
            else part
            for name, part in row["recipe"].items()
        }
        row = row | {"recipe": recipe}
    return row


def copied(today: Database, url: str, revision: str) -> None:
    """Make the schema of a revision and put today's rows into it, as far as it has their columns."""
    with closing(Database(url)) as old, old.engine.connect() as connection:
        connection.begin()
        command.upgrade(config_on(connection), revision)
        there = MetaData()
        there.reflect(connection)
        with today.read() as session:
            for table in Base.metadata.sorted_tables:
                if table.name not in there.tables or table.name in COUNTED:
                    continue
                columns = [column for column in table.columns if column.name in there.tables[table.name].columns]
                rows = [
                    as_written(revision, table.name, dict(row._mapping)) for row in session.execute(select(*columns))
                ]
                kept = [row for row in rows if (table.name, row.get("id")) != ("owners", "own_local")]
                if kept:  # into columns without the defaults of today
                    bare = Table(table.name, MetaData(), *(Column(column.name, column.type) for column in columns))
                    connection.execute(insert(bare), kept)
        connection.commit()


@pytest.fixture
def bench(sqlite_database, tmp_path, monkeypatch):
    """Of today."""
    monkeypatch.setattr("worker.process.DecodePool", DecodesHere)
    return bench_on(sqlite_database, tmp_path / "home")


def finish(bench, jobs, url, revision):
    copied(bench.database, url, revision)
    assert check(url)  # it is another one's
    upgrade(url)
    assert check(url) == []
    with closing(Database(url)) as bench.database:
        WorkerProcess(bench.settings, bench.database, bench.store).loop.run_until_empty()
        ended = [bench.job(job) for job in jobs]
    assert [job.status for job in ended] == ["succeeded"] * len(jobs), [job.error for job in ended]


@pytest.mark.parametrize("revision", earlier())
def test_a_photo_that_an_earlier_version_queued_is_restored_by_this_one(bench, tmp_path, revision):
    finish(bench, [bench.add_restoration(crops(1)[0])], f"sqlite:///{tmp_path / 'earlier.db'}", revision)


def test_an_album_that_the_first_version_queued_on_postgres_is_tuned_on_and_the_photo_that_waits_restored(
    bench, postgres_server
):
    subject = bench.add_subject()
    tuning = bench.add_tuning(subject, bench.add_album(subject, portraits(3)))
    photo = bench.add_restoration(crops(1)[0], checkpoint=tuning, waits=True)
    finish(bench, [tuning, photo], postgres_server.create("of_earlier"), FIRST)
    postgres_server.drop("of_earlier")

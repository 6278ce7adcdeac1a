"""The schema that migrations make is the one that the code believes in, on both databases."""

import re
import threading
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text

import migrations
from core.db.session import Database
from core.db.tables import Base, Owner
from core.domain.errors import SettingsError
from migrations import run
from migrations.run import check, current, newest, upgrade
from tests.rows import look, put


def _schema(database: Database) -> list[tuple[object, ...]]:
    """Columns, constraints and indices as the database itself describes them."""
    if database.is_sqlite:
        queries = ["SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"]
    else:
        queries = [
            "SELECT table_name, column_name, data_type, character_maximum_length, is_nullable, column_default"
            " FROM information_schema.columns WHERE table_schema = 'public'",
            "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
            "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE connamespace = 'public'::regnamespace",
        ]
    with database.read() as session:
        rows = [tuple(row) for query in queries for row in session.execute(text(query))]
    return sorted((_normalised(row) for row in rows if "alembic_version" not in str(row)), key=repr)


def _normalised(row: tuple[object, ...]) -> tuple[object, ...]:
    """The order of a table's columns and constraints, which a migration may choose, does not count."""
    return tuple(
        tuple(sorted(part.strip() for part in re.split(r",\s*(?![^()]*\))|\(\n|\n\)", value)))
        if isinstance(value, str)
        else value
        for value in row
    )


def test_the_migrated_schema_is_that_of_the_tables_to_the_last_index(request, database, tmp_path):
    url = f"sqlite:///{tmp_path / 'made.db'}"
    if not database.is_sqlite:
        server = request.getfixturevalue("postgres_server")
        url = server.create("made_by_create_all")
    made = Database(url)
    Base.metadata.create_all(made.engine)
    assert _schema(database) == _schema(made)
    made.close()
    if not database.is_sqlite:
        server.drop("made_by_create_all")


def test_a_migrated_database_does_not_differ(database_url):
    assert current(database_url) == newest()
    assert check(database_url) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("ALTER TABLE files ADD COLUMN colour VARCHAR(8)", "colour"),
        ("DROP INDEX ix_files_owner_id", "ix_files_owner_id"),
        ("DROP TABLE outbox", "outbox"),
    ],
)
def test_a_schema_that_was_changed_by_hand_is_found_out(database, database_url, change, said):
    with database.write() as session:
        session.execute(text(change))
    assert any(said in line for line in check(database_url))


def test_migrating_twice_changes_nothing(database, database_url):
    before = _schema(database)
    upgrade(database_url)
    assert _schema(database) == before


def test_a_database_without_the_schema_is_told_apart(tmp_path):
    url = f"sqlite:///{tmp_path / 'empty.db'}"
    assert current(url) is None
    assert check(url) == [f"the database is at revision none, this version needs {newest()}"]


def test_the_local_owner_is_there_from_the_start(database):
    with database.read() as session:
        owner = session.get(Owner, "own_local")
        assert owner is not None
        assert owner.created_at.tzinfo is not None


def test_processes_that_start_at_once_do_not_migrate_at_once(request, database_url, tmp_path):
    if database_url.startswith("sqlite"):
        url = f"sqlite:///{tmp_path / 'many.db'}"
    else:
        server = request.getfixturevalue("postgres_server")
        url = server.create("migrated_by_many")
    failures: list[BaseException] = []
    together = threading.Barrier(4)

    def start() -> None:
        together.wait()
        try:
            upgrade(url)
        except BaseException as error:  # shown below
            failures.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert check(url) == []
    if not url.startswith("sqlite"):
        server.drop("migrated_by_many")


def test_a_new_database_file_is_for_its_owner_only(tmp_path):
    upgrade(f"sqlite:///{tmp_path / 'home' / 'heirloom.db'}")
    assert (tmp_path / "home").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "home" / "heirloom.db").stat().st_mode & 0o777 == 0o600


def test_chunks_on_postgres_are_stored_as_they_are(postgres_database):
    with postgres_database.read() as session:
        storage = session.scalar(
            text("SELECT attstorage FROM pg_attribute WHERE attrelid = 'blob_chunks'::regclass AND attname = 'data'")
        )
    assert storage == "e"


def test_a_database_that_does_not_answer_is_said_without_its_password():
    with pytest.raises(SettingsError, match="does not answer") as caught:
        upgrade("postgresql://someone:hunter2@127.0.0.1:1/nothing")
    assert "hunter2" not in str(caught.value)
    assert "See that the server runs" in caught.value.advice


def test_the_installed_package_needs_no_file_beside_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    upgrade(f"sqlite:///{tmp_path / 'elsewhere.db'}")
    assert list(Path().iterdir()) == [Path("elsewhere.db")]


def test_a_restoration_of_before_formats_counted_shares_no_batch(database, database_url):
    restoration, album = put(database, batch_key="k"), put(database, kind="album", batch_key="k")
    with database.engine.connect() as connection:
        config = Config()
        config.set_main_option("script_location", str(Path(migrations.__file__).parent))
        config.attributes["connection"] = connection
        command.downgrade(config, "0003")
        connection.commit()
    upgrade(database_url)
    assert [look(database, job_id).batch_key for job_id in (restoration, album)] == [None, "k"]


def test_a_migration_waits_for_a_table_in_short_turns_so_that_nobody_waits_behind_it(postgres_server, monkeypatch):
    url = postgres_server.create("in_use")
    with closing(Database(url)) as database, database.engine.connect() as connection:
        connection.begin()
        command.upgrade(run.config_on(connection), "0005")
        connection.commit()
        monkeypatch.setattr(run, "LOCK_TIMEOUT_SECONDS", 0.05)
        monkeypatch.setattr(run, "_TURNS", 2)
        pauses = []
        monkeypatch.setattr(run.time, "sleep", pauses.append)
        with database.write() as session:
            session.execute(text("SELECT count(*) FROM workers"))  # to read is enough: a column is to come
            with pytest.raises(SettingsError, match=r"keep a table to themselves.*run `heirloom db upgrade` again"):
                upgrade(url)
        assert len(pauses) == 1
        assert current(url) == "0005"
        upgrade(url)
        assert check(url) == []
    postgres_server.drop("in_use")

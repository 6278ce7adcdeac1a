"""The database itself: how it is opened, and what its transactions promise."""

import sqlite3
import stat
import threading

import pytest
from sqlalchemy import delete, func, select, text
from sqlalchemy.exc import IntegrityError, OperationalError

from core.db import session as session_module
from core.db.session import Database
from core.db.tables import File, Job, Owner, Subject
from core.domain.errors import SettingsError
from migrations.run import upgrade
from tests import rows


def count(session):
    return session.scalar(select(func.count()).select_from(File))


def test_what_a_block_wrote_is_there_after_it(database):
    with database.write() as session:
        session.add(rows.file("a" * 64))
    with database.read() as session:
        assert count(session) == 1


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_block_that_raises_writes_nothing(database, error):
    def write():
        with database.write() as session:
            session.add(rows.file("a" * 64))
            session.flush()
            raise error

    with pytest.raises(error):
        write()
    with database.read() as session:
        assert count(session) == 0


def test_what_was_read_can_be_looked_at_afterwards(database):
    for block in (database.read, database.snapshot):
        with block() as session:
            owner = session.get_one(Owner, rows.OWNER)
        assert owner.name == "local"


def test_a_reader_writes_nothing(database):
    with database.read() as session:
        session.add(rows.file("a" * 64))
        session.flush()
    with database.read() as session:
        assert count(session) == 0


def test_a_snapshot_sees_one_moment(postgres_database):
    with postgres_database.snapshot() as snapshot:
        assert count(snapshot) == 0
        with postgres_database.write() as session:
            session.add(rows.file("a" * 64))
        assert count(snapshot) == 0
    with postgres_database.read() as session:
        assert count(session) == 1


def test_two_who_read_and_then_write_do_so_one_after_the_other_on_sqlite(sqlite_database):
    """Without BEGIN IMMEDIATE both would read 0, and one could not go on."""
    together = threading.Barrier(2)

    def add_one():
        together.wait()
        for _ in range(20):
            with sqlite_database.write() as session:
                owner = session.get_one(Owner, rows.OWNER)
                owner.name = str(int(owner.name) + 1)

    with sqlite_database.write() as session:
        session.get_one(Owner, rows.OWNER).name = "0"
    threads = [threading.Thread(target=add_one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with sqlite_database.read() as session:
        assert session.get_one(Owner, rows.OWNER).name == "40"


def test_a_write_inside_a_write_is_refused_and_never_waited_for_without_end(sqlite_url, monkeypatch):
    monkeypatch.setattr(session_module, "SQLITE_BUSY_TIMEOUT_SECONDS", 1)
    database = Database(sqlite_url)
    with database.write(), pytest.raises(OperationalError, match="locked"), database.write():
        pass
    with database.write():  # and the turn is given back
        pass
    database.close()


def test_sqlite_keeps_its_references_and_flushes_fully(sqlite_database):
    with sqlite_database.read() as session:
        pragmas = {name: session.scalar(text(f"PRAGMA {name}")) for name in ("foreign_keys", "synchronous")}
    assert pragmas == {"foreign_keys": 1, "synchronous": 2}


def test_a_row_of_nobody_is_refused(database):
    with pytest.raises(IntegrityError), database.write() as session:
        session.add(rows.file("a" * 64, owner_id="own_nobody"))


@pytest.mark.parametrize(
    ("version", "safe"),
    [
        ((3, 40, 1), False),
        ((3, 44, 5), False),
        ((3, 44, 6), True),
        ((3, 45, 0), False),
        ((3, 50, 6), False),
        ((3, 50, 7), True),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((3, 52, 0), True),
        ((4, 0, 0), True),
    ],
)
def test_the_write_ahead_log_is_used_only_where_its_reset_is_repaired(version, safe):
    assert session_module._wal_is_safe(version) is safe


def test_the_journal_is_what_this_library_can_be_trusted_with(sqlite_database):
    with sqlite_database.read() as session:
        mode = session.scalar(text("PRAGMA journal_mode"))
    assert mode == ("wal" if session_module._wal_is_safe(sqlite3.sqlite_version_info) else "delete")


def test_on_postgres_nothing_waits_for_ever(postgres_database):
    names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "tcp_user_timeout", "TimeZone")
    with postgres_database.read() as session:
        assert [session.scalar(text(f"SHOW {name}")) for name in names[:3]] == ["30s", "10s", "1min"]
        assert session.scalar(text("SHOW TimeZone")) == "UTC"


def test_an_error_s_text_has_no_names_in_it(database):
    with pytest.raises(IntegrityError) as caught, database.write() as session:
        session.add(rows.file("a" * 64, owner_id="own_nobody", name="grandmother.jpg"))
    assert "grandmother" not in str(caught.value)


@pytest.mark.parametrize("form", ["postgresql://", "postgres://", "postgresql+psycopg://"])
def test_every_form_of_a_postgres_address_means_our_driver(form):
    database = Database(f"{form}user:secret@127.0.0.1/name")
    assert database.engine.url.drivername == "postgresql+psycopg"
    assert not database.is_sqlite


@pytest.mark.parametrize("url", ["mysql://user:secret@host/x", "no address with a secret", "://secret"])
def test_an_address_of_another_kind_is_refused_without_being_shown(url):
    with pytest.raises(SettingsError, match="HEIRLOOM_DATABASE_URL") as caught:
        Database(url)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_missing_value_in_a_json_column_is_null(database):
    with database.write() as session:
        session.add(rows.job(error=None))
        rows.subject(session)
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(Job).where(Job.error.is_(None))) == 1
        assert session.scalar(select(func.count()).select_from(Subject).where(Subject.consent.is_(None))) == 1


def test_a_database_file_can_be_made_where_there_is_none(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'new.db'}")
    with database.read() as session:
        assert session.scalar(text("SELECT 1")) == 1
    database.close()
    assert stat.S_ISREG((tmp_path / "new.db").stat().st_mode)


@pytest.mark.parametrize("logged_ahead", [False, True])
def test_what_was_deleted_is_not_in_sqlite_s_files_either(tmp_path, monkeypatch, logged_ahead):
    monkeypatch.setattr(session_module, "_wal_is_safe", lambda _: logged_ahead)
    opened = Database(f"sqlite:///{tmp_path / 'heirloom.db'}")
    upgrade(f"sqlite:///{tmp_path / 'heirloom.db'}")

    def written():
        return sum(file.read_bytes().count(b"canary") for file in tmp_path.iterdir())

    with opened.write() as session:
        session.add_all([rows.file("a" * 64, id="fil_1", name="canary" * 9), rows.file("b" * 64, name="canary" * 40)])
    assert written() >= 49
    with opened.write() as session:
        session.get_one(File, "fil_1").name = ""
        session.execute(delete(File).where(File.id != "fil_1"))
    opened.empty_journal()
    assert written() == 0
    opened.close()


def test_a_server_has_no_journal_of_ours(postgres_database):
    postgres_database.empty_journal()

import json
import os
import stat

import pytest

from core.db.session import Database
from core.storage.base import write_blob
from core.storage.fs import FileStore
from migrations import run


@pytest.fixture
def url(home):
    return f"sqlite:///{home}/heirloom.db"


def test_upgrade_makes_the_database_private_and_at_this_version(heirloom, home, url):
    code, out, err = heirloom("db", "upgrade", "--json")
    assert code == 0, err
    assert json.loads(out) == {"revision": run.newest()}
    assert run.check(url) == []
    assert stat.S_IMODE((home / "heirloom.db").stat().st_mode) == 0o600
    assert heirloom("db", "upgrade")[2] == f"The database is at revision {run.newest()}."


def test_current_says_what_is_and_what_is_needed(heirloom):
    heirloom("db", "upgrade")
    _, out, _ = heirloom("db", "current", "--json")
    assert json.loads(out) == {"revision": run.newest(), "needed": run.newest()}
    assert f"this version needs {run.newest()}" in heirloom("db", "current")[2]


def test_check_finds_no_drift_where_there_is_none(heirloom):
    heirloom("db", "upgrade")
    code, out, _ = heirloom("db", "check", "--json")
    assert (code, json.loads(out)) == (0, {"drift": []})
    assert "schema is this version's" in heirloom("db", "check")[2]


def test_check_names_every_difference_and_ends_with_1(heirloom, url):
    heirloom("db", "upgrade")
    database = Database(url)
    with database.write() as session:
        session.connection().exec_driver_sql("ALTER TABLE outbox ADD COLUMN surplus TEXT")
    database.close()
    code, out, err = heirloom("db", "check", "--json")
    assert code == 1
    assert any("surplus" in line for line in json.loads(out)["drift"])
    assert "Run `heirloom db upgrade`." in err
    assert "surplus" in heirloom("db", "check")[2]


def test_on_a_server_it_works_on_postgres(heirloom, postgres_url, monkeypatch):
    monkeypatch.setenv("HEIRLOOM_DATABASE_URL", postgres_url)
    assert heirloom("db", "upgrade")[0] == 0
    assert heirloom("db", "check")[0] == 0


def test_a_database_that_does_not_answer_is_one_line(heirloom, monkeypatch):
    monkeypatch.setenv("HEIRLOOM_DATABASE_URL", "postgresql://heirloom:hush@127.0.0.1:1/heirloom")
    code, out, err = heirloom("db", "current", "--json")
    assert code == 1
    assert json.loads(out)["error"]["code"] == "settings_wrong"
    assert "hush" not in out + err


def test_sweep_counts_and_then_removes_what_nothing_names(heirloom, home):
    heirloom("db", "upgrade")
    store = FileStore(home / "blobs")
    ref = write_blob(store, "own_local", bytes(2**20))
    os.utime(home / "blobs" / "own_local" / ref.sha256, (0, 0))
    _, out, _ = heirloom("db", "sweep", "--dry-run", "--json")
    assert json.loads(out) == {"dry_run": True, "blobs": 1, "size_bytes": 2**20, "unfinished": 0}
    assert store.exists(ref)
    assert heirloom("db", "sweep")[2] == "1 files (1.0 MiB) and 0 unfinished ones removed."
    assert not store.exists(ref)

import json
import os
import stat

import pytest

from core.db import blobs
from core.db.session import Database
from core.storage.base import write_blob
from core.storage.fs import FileStore
from migrations import run
from tests import rows


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
    found = {"drift": [], "faults": [], "blobs": 0, "size_bytes": 0, "unnamed": 0, "unnamed_bytes": 0}
    assert (code, json.loads(out)) == (0, found)
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


def test_check_names_what_is_missing_and_what_waits_for_the_sweep(heirloom, home, url):
    heirloom("db", "upgrade")
    refs = [write_blob(FileStore(home / "blobs"), "own_local", data) for data in (b"kept", b"waste")]
    database = Database(url)
    with database.write() as session:
        session.add(rows.file(refs[0].sha256, size_bytes=4))
        blobs.mark_ready(session, refs[0])
    database.close()
    assert "1 files that rows name" in heirloom("db", "check")[2]
    (home / "blobs" / "own_local" / refs[0].sha256).write_bytes(b"kepT")
    assert heirloom("db", "check", "--quick")[0] == 0
    code, out, err = heirloom("db", "check", "--json")
    assert code == 1
    assert [fault["code"] for fault in json.loads(out)["faults"]] == ["blob_damaged"]
    assert json.loads(out)["unnamed"] == 1
    assert "not as they must be" in err
    assert f"own_local/{refs[0].sha256}" in heirloom("db", "check")[2]


def test_check_makes_no_database_where_there_is_none(heirloom, home):
    home.mkdir(exist_ok=True)
    before = sorted(home.iterdir())
    assert heirloom("db", "check")[0] == 1
    assert heirloom("db", "backup", home / "x.backup")[0] == 1
    assert sorted(home.iterdir()) == before


def test_a_backup_is_loaded_into_another_home(heirloom, home, tmp_path, monkeypatch):
    heirloom("db", "upgrade")
    ref = write_blob(FileStore(home / "blobs"), "own_local", bytes(2**20))
    database = Database(f"sqlite:///{home}/heirloom.db")
    with database.write() as session:
        session.add(rows.file(ref.sha256, size_bytes=ref.size_bytes))
        blobs.mark_ready(session, ref)
    database.close()
    code, out, _ = heirloom("db", "backup", tmp_path / "b.tar", "--json")
    assert (code, json.loads(out)["blobs"], json.loads(out)["rows"]["files"]) == (0, 1, 1)
    assert stat.S_IMODE((tmp_path / "b.tar").stat().st_mode) == 0o600
    assert heirloom("db", "backup", tmp_path / "b.tar")[0] == 6
    assert heirloom("db", "load", tmp_path / "b.tar")[0] == 1
    monkeypatch.setenv("HEIRLOOM_HOME", str(tmp_path / "another"))
    assert heirloom("db", "load", tmp_path / "b.tar")[2].startswith("2 rows and 1 files (1.0 MiB) loaded from")
    assert heirloom("db", "check")[0] == 0
    assert FileStore(tmp_path / "another" / "blobs").exists(ref)


def test_a_backup_without_something_that_is_damaged_says_so(heirloom, home, tmp_path):
    heirloom("db", "upgrade")
    database = Database(f"sqlite:///{home}/heirloom.db")
    with database.write() as session:
        session.add(rows.file(rows.DIGEST))
    database.close()
    code, _, err = heirloom("db", "backup", tmp_path / "b.tar")
    assert code == 1
    assert "The backup is written, but 1 files are missing or damaged" in err
    assert (tmp_path / "b.tar").exists()


def test_what_is_no_backup_is_one_line(heirloom, tmp_path):
    (tmp_path / "x").write_bytes(b"no tar at all" * 1000)
    code, _, err = heirloom("db", "load", tmp_path / "x")
    assert code == 1
    assert "no tar" in err
    code, _, err = heirloom("db", "load", tmp_path / "absent")
    assert code == 2
    assert "cannot be read" in err


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
    assert json.loads(out) == {"dry_run": True, "blobs": 1, "size_bytes": 2**20, "unfinished": 0, "put_off": False}
    assert store.exists(ref)
    assert heirloom("db", "sweep")[2] == "1 files (1.0 MiB) and 0 unfinished ones removed."
    assert not store.exists(ref)

import socket
from collections import namedtuple

import pytest

from cli import doctor_service
from cli.doctor import _prior
from cli.doctor_service import blobs_have_room, broker_works, database_works, settings_work
from cli.startup import prepare_database
from core.domain.errors import SettingsError
from core.settings import Settings, read_settings
from tests.s3_server import BUCKET, KEY_ID, REGION, SECRET, serving_s3


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch):
    for name in Settings.model_fields.keys() - {"home", "prior"}:
        monkeypatch.delenv(f"HEIRLOOM_{name.upper()}", raising=False)


def test_the_settings_are_said_in_one_line(monkeypatch):
    assert settings_work() == (True, "embedded mode, 127.0.0.1:8000, without keys")
    monkeypatch.setenv("HEIRLOOM_DATABASE_URL", "postgresql://db/heirloom")
    assert settings_work() == (True, "server mode, 127.0.0.1:8000, every request needs a key")


def test_a_database_that_is_not_there_yet_is_no_fault(home):
    ok, detail = database_works()
    assert ok
    assert "by the first `heirloom serve`" in detail
    assert not (home / "heirloom.db").exists()


def test_a_migrated_database_is_found(home):
    prepare_database(read_settings())
    ok, detail = database_works()
    assert ok
    assert detail.startswith("SQLite, at revision ")


def test_a_server_s_database_is_looked_at(postgres_url, monkeypatch):
    monkeypatch.setenv("HEIRLOOM_DATABASE_URL", postgres_url)
    assert database_works()[0]


def test_a_server_s_database_without_the_schema_says_what_to_run(postgres_url, monkeypatch):
    from core.db.session import Database

    database = Database(postgres_url, pool_size=1)
    with database.write() as session:
        session.connection().exec_driver_sql("DROP TABLE alembic_version")
    database.close()
    monkeypatch.setenv("HEIRLOOM_DATABASE_URL", postgres_url)
    ok, detail = database_works()
    assert not ok
    assert "at revision none" in detail
    assert "heirloom db upgrade" in detail


def test_without_a_broker_workers_poll():
    assert broker_works() == (True, "none: idle workers look for jobs every 1 s")


def test_a_broker_that_answers_is_found(redis_url, monkeypatch):
    monkeypatch.setenv("HEIRLOOM_BROKER_URL", redis_url)
    assert broker_works() == (True, "Redis answers")


@pytest.mark.parametrize("url", ["redis://:hush@127.0.0.1:{port}/0", "redis://hush.invalid:{port}/0"])
def test_a_broker_that_does_not_answer_costs_seconds_and_no_jobs(monkeypatch, url):
    with socket.socket() as taken:  # bound and not listening: refused
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HEIRLOOM_BROKER_URL", url.format(port=taken.getsockname()[1]))
        ok, detail = broker_works()
    assert not ok
    assert "Jobs are still done" in detail
    assert "hush" not in detail


def test_blobs_are_where_the_mode_puts_them(home, monkeypatch):
    ok, detail = blobs_have_room()
    assert ok
    assert detail.startswith(f"{home}/blobs, ")
    monkeypatch.setenv("HEIRLOOM_STORAGE", "database")
    assert blobs_have_room() == (True, "in the database: watch the disk of its own server")


def test_a_disk_that_is_nearly_full_is_said(monkeypatch):
    usage = namedtuple("usage", "total used free")  # as shutil has it
    monkeypatch.setattr(doctor_service.shutil, "disk_usage", lambda _: usage(2**40, 2**40, 10 * 2**20))
    ok, detail = blobs_have_room()
    assert not ok
    assert "uploads are refused" in detail


def test_a_research_prior_in_the_server_mode_is_a_finding(monkeypatch):
    assert _prior()[0]
    monkeypatch.setenv("HEIRLOOM_DATABASE_URL", "postgresql://db/heirloom")
    with pytest.raises(SettingsError, match="HEIRLOOM_ACCEPT_RESEARCH_PRIOR"):
        _prior()


def test_an_object_storage_is_asked_and_its_keys_are_not_shown(monkeypatch):
    with serving_s3() as server:
        for name, value in {
            "STORAGE": "s3",
            "S3_BUCKET": BUCKET,
            "S3_ENDPOINT": server.url,
            "S3_REGION": REGION,
            "S3_ACCESS_KEY_ID": KEY_ID,
            "S3_SECRET_ACCESS_KEY": SECRET,
        }.items():
            monkeypatch.setenv(f"HEIRLOOM_{name}", value)
        assert blobs_have_room() == (True, f"the bucket {BUCKET} answers")
        monkeypatch.setenv("HEIRLOOM_S3_BUCKET", "another")
        works, text = blobs_have_room()
        assert (works, "no such bucket" in text) == (False, True)
        assert SECRET not in text

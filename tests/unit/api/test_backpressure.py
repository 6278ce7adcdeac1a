import asyncio
from collections import namedtuple

import pytest

from api import service
from api.app import create_app
from core.db import usage
from core.db.session import Database, now_of
from core.db.tables import Job
from core.domain.errors import DiskFullError, OutputUnwritableError
from core.settings import MEBIBYTE, Settings
from core.storage.memory import MemoryStore
from tests import pretend_worker
from tests.served import served
from tests.small_photos import photo, zip_of


def status_without_body(api, path, content_type):
    """The status of a POST whose body must not be read."""
    headers = [(b"host", b"localhost"), (b"content-type", content_type.encode()), (b"content-length", b"500")]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("localhost", 80),
        "state": {},
    }
    sent = []

    async def receive():
        raise AssertionError("the body was read")

    async def send(message):
        sent.append(message)

    asyncio.run(api.client.app(scope, receive, send))
    return sent[0]["status"]


@pytest.mark.parametrize(
    ("settings", "status", "code"),
    [({"max_open_jobs_per_owner": 2}, 429, "quota_exceeded"), ({"max_queued_jobs": 2}, 503, "overloaded")],
)
def test_a_full_queue_is_told_before_the_body_is_read(sqlite_database, tmp_path, settings, status, code):
    with served(sqlite_database, tmp_path, **settings) as api:
        subject_id, _ = api.tuned()
        failed = api.restoration(mode="direct")["id"]
        pretend_worker.fail(api.database, failed)
        open_jobs = [api.restoration(mode="direct") for _ in range(2)]
        form, json = "multipart/form-data; boundary=x", "application/json"
        for path, content_type in (
            ("/v1/restorations", form),
            ("/v1/restorations", json),
            (f"/v1/subjects/{subject_id}/album", form),
            (f"/v1/subjects/{subject_id}/checkpoints", json),
            (f"/v1/jobs/{failed}/retry", json),
        ):
            assert status_without_body(api, path, content_type) == status, path
        answer = api.client.post("/v1/restorations", json={})
        assert (answer.status_code, answer.json()["code"], answer.json()["retryable"]) == (status, code, True)
        assert int(answer.headers["retry-after"]) >= 1
        api.client.post(open_jobs[0]["links"]["cancel"])
        api.restoration(mode="direct")


def test_when_to_come_back_is_told_from_measured_jobs(sqlite_database, tmp_path):
    with served(sqlite_database, tmp_path, max_open_jobs_per_owner=1) as api:
        pretend_worker.register(api.database)
        done = api.restoration(mode="direct")
        pretend_worker.restore(api.database, api.store, done["id"], run_seconds=23.0)
        api.restoration(mode="direct")
        answer = api.client.post("/v1/restorations", json={"input": {"file_id": api.file()}})
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "23")


def test_one_caller_s_limit_is_not_another_s(sqlite_database, tmp_path):
    with served(sqlite_database, tmp_path, require_keys=True, max_open_jobs_per_owner=1) as api:
        api.client.headers.update(api.key("Ada"))
        api.restoration(mode="direct")
        assert api.client.post("/v1/restorations", json={}).status_code == 429
        api.client.headers.update(api.key("Eve"))
        api.restoration(mode="direct")


def test_whoever_had_enough_computed_today_comes_back_tomorrow(sqlite_database, tmp_path):
    with served(sqlite_database, tmp_path, require_keys=True, max_compute_seconds_per_owner=60) as api:
        api.client.headers.update(api.key("Ada"))
        job = api.restoration(mode="direct")
        with api.database.write() as session:
            owner_id = session.get_one(Job, job["id"]).owner_id
            usage.add(session, owner_id, now_of(session), 59.9)
        api.restoration(mode="direct")
        with api.database.write() as session:
            usage.add(session, owner_id, now_of(session), 0.1)
        answer = api.client.post("/v1/restorations", json={})
        assert (answer.status_code, answer.json()["code"]) == (429, "quota_exceeded")
        assert 0 < int(answer.headers["retry-after"]) <= 86_400
        told = api.made("GET", "/v1/system", 200)
        assert told["usage"] == {"open_jobs": 2, "compute_seconds_today": 60.0}
        assert told["limits"]["max_compute_seconds"] == 60
        api.client.headers.update(api.key("Eve"))
        api.restoration(mode="direct")


def test_what_puts_nothing_into_the_queue_is_served_all_the_same(sqlite_database, tmp_path):
    with served(sqlite_database, tmp_path, max_open_jobs_per_owner=1) as api:
        job = api.restoration(mode="direct")
        api.subject()
        api.file()
        assert api.client.get("/v1/jobs").status_code == 200
        assert api.client.post(job["links"]["cancel"]).status_code == 200


@pytest.mark.parametrize("path", ["/v1/files", "/v1/restorations", "album"])
def test_a_nearly_full_disk_takes_no_uploads(sqlite_database, tmp_path, path):
    with served(sqlite_database, tmp_path, min_free_disk_mib=2**40) as api:
        if path == "album":
            path = f"/v1/subjects/{api.subject()}/album"
        content = zip_of(range(3)) if path.endswith("album") else photo(0)
        answer = api.client.post(path, files={"file": ("x", content)})
        assert (answer.status_code, answer.json()["code"]) == (507, "disk_full")


def test_on_a_nearly_full_disk_no_photo_is_put_together(sqlite_database, tmp_path):
    with served(sqlite_database, tmp_path, min_free_disk_mib=2**40) as api:
        answer = api.client.post("/v1/restorations/rst_any/faces/0/selection", json={"candidate": 0})
        assert (answer.status_code, answer.json()["code"]) == (507, "disk_full")


def test_without_a_key_the_body_is_not_read_either(keyed):
    for path in ("/v1/files", "/v1/restorations", "/v1/subjects"):
        assert status_without_body(keyed, path, "application/json") == 401


def test_an_album_is_refused_where_it_would_not_leave_the_reserve_in_the_server_mode_too(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")  # as shutil has it
    monkeypatch.setattr(service.shutil, "disk_usage", lambda _: usage(2**40, 2**40, 300 * MEBIBYTE))
    database = Database("postgresql://127.0.0.1:1/heirloom")
    settings = Settings(home=tmp_path, database_url="postgresql://127.0.0.1:1/heirloom", min_free_disk_mib=256)
    made = create_app(settings, database, MemoryStore()).state.service
    made.check_disk(2**40, spooled=False)  # straight into the database: that disk has its own operator
    made.check_disk(44 * MEBIBYTE)
    with pytest.raises(DiskFullError):
        made.check_disk(44 * MEBIBYTE + 1)
    database.close()


def test_a_body_s_own_length_counts_before_it_is_read(sqlite_database, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(service.shutil, "disk_usage", lambda _: usage(2**40, 2**40, 256 * MEBIBYTE + 499))
    with served(sqlite_database, tmp_path) as api:  # 500 bytes are said to come
        form = "multipart/form-data; boundary=x"
        assert status_without_body(api, f"/v1/subjects/{api.subject()}/album", form) == 507


def test_albums_are_spooled_in_the_home_for_nobody_else_to_see(api, tmp_path):
    api.album(api.subject())
    spool = tmp_path / "home" / "spool"
    assert spool.stat().st_mode & 0o777 == 0o700
    assert list(spool.iterdir()) == []


def test_a_home_that_cannot_hold_uploads_is_named(sqlite_database, tmp_path):
    (tmp_path / "file").write_text("")
    with served(sqlite_database, tmp_path / "file" / "home") as api, pytest.raises(OutputUnwritableError):
        api.client.app.state.service.spool_folder()

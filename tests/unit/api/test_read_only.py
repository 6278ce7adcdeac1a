"""While the database takes no writes, what is there is answered, and what is new is told when to come again."""

import pytest

from api import writes
from tests.served import served
from tests.small_photos import photo
from tests.unit.api.test_backpressure import status_without_body
from tests.writes import refuse_writes


@pytest.fixture
def api(database, tmp_path, monkeypatch):
    """The API of a server on each database; what it remembers of refused writes lasts until a test says otherwise."""
    monkeypatch.setattr(writes, "REMEMBERED_SECONDS", 3600.0)
    with served(database, tmp_path / "home", require_keys=True) as service:
        service.client.headers.update(service.key("Ada"))
        yield service


def read_only(answer):
    assert int(answer.headers["retry-after"]) >= 1
    return (answer.status_code, answer.json()["code"], answer.json()["retryable"]) == (503, "read_only", True)


def test_reading_goes_on_with_a_key_whose_first_use_cannot_be_noted(api):
    job = api.restoration(mode="direct")
    api.client.headers.update(api.key("Ada"))
    with refuse_writes(api.database):
        for path in ("/v1/jobs", job["links"]["self"], "/v1/system", "/v1/subjects", "/livez"):
            assert api.client.get(path).status_code == 200, path


def test_what_would_be_written_is_refused_and_nothing_of_it_is_kept(api):
    job = api.restoration(mode="direct")
    subject_id, file_id = api.subject(), api.file()
    with refuse_writes(api.database):
        for method, path, body in (
            ("POST", "/v1/subjects", {"json": {"name": "Eve", "category": "cat"}}),
            ("POST", "/v1/restorations", {"json": {"input": {"file_id": file_id}}}),
            ("POST", job["links"]["cancel"], {}),
            ("DELETE", f"/v1/subjects/{subject_id}", {}),
        ):
            api.client.app.state.service.writes = writes.Writes()  # each finds out by itself
            headers = {"Idempotency-Key": path} if method == "POST" else {}
            assert read_only(api.client.request(method, path, headers=headers, **body)), path
    api.client.app.state.service.writes = writes.Writes()
    assert api.made("GET", job["links"]["self"], 200)["status"] == "queued"
    api.made("POST", "/v1/subjects", 201, json={"name": "Eve", "category": "cat"}, headers={"Idempotency-Key": "x"})


def test_after_the_first_refusal_no_body_is_read_any_more_until_it_is_time_to_try_again(sqlite_database, tmp_path):
    with served(sqlite_database, tmp_path / "home") as api:
        now = [0.0]
        api.client.app.state.service.writes = writes.Writes(lambda: now[0])
        with refuse_writes(api.database):
            assert read_only(api.client.post("/v1/subjects", json={"name": "Eve", "category": "cat"}))
            for path in ("/v1/files", "/v1/restorations", "/v1/subjects"):
                assert status_without_body(api, path, "multipart/form-data; boundary=x") == 503
            assert api.client.post("/v1/faces/detect", files={"file": ("x.png", photo(0))}).status_code == 200
        now[0] += writes.REMEMBERED_SECONDS
        assert api.subject()

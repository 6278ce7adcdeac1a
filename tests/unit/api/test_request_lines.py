"""What a request leaves in the log: one line, with its id, its job's id, and nothing that somebody sent."""

import logging
import re

import pytest

from core import logs
from core.db.session import Database
from core.storage.fs import FileStore
from tests.served import served
from tests.small_photos import photo


@pytest.fixture
def lines(caplog):
    """The fields of every line of the API's since, with what was bound; lines are rendered as `key=value`."""
    caplog.set_level(logging.DEBUG)

    def read(event="request"):
        found = [
            dict(re.findall(r"(\w+)=('[^']*'|\S+)", record.getMessage()), level=record.levelname)
            for record in caplog.records
            if record.name.startswith("api.")
        ]
        return [{key: value.strip("'") for key, value in one.items()} for one in found if f"'{event}'" == one["event"]]

    return read


def test_every_request_leaves_one_line_whatever_becomes_of_it(api, lines):
    made = api.client.post("/v1/subjects", json={"name": "Ada", "category": "cat"}, headers={"X-Request-Id": "mine"})
    api.client.post("/v1/subjects", content=b"{", headers={"Content-Type": "application/json"})
    api.client.post("/v1/subjects", json={"name": "Ada"})
    api.client.post("/v1/subjects", content=b"x", headers={"Content-Type": "text/plain"})
    api.client.get("/v1/subjects/sub_" + "0" * 26 + "?secret=hush")
    api.client.get("/nowhere/Ada")
    api.client.request("FOO1", "/v1/jobs")
    api.client.get("/v1/jobs", headers={"Host": "evil.example"})
    told = [(line["method"], line["route"], int(line["status"])) for line in lines()]
    assert told == [
        ("POST", "/v1/subjects", 201),
        ("POST", "/v1/subjects", 400),
        ("POST", "/v1/subjects", 422),
        ("POST", "/v1/subjects", 415),
        ("GET", "/v1/subjects/{subject_id}", 404),
        ("GET", "None", 404),
        ("other", "/v1/jobs", 405),
        ("GET", "None", 403),
    ]
    assert lines()[0]["request_id"] == made.headers["x-request-id"] == "mine"
    assert all(float(line["seconds"]) >= 0 and line["level"] == "INFO" for line in lines())


def test_no_line_holds_what_was_sent(keyed, lines, caplog):
    headers = keyed.key("studio")
    keyed.client.post("/v1/subjects?q=canary", json={"name": "canary", "category": "cat"}, headers=headers)
    keyed.client.post("/v1/files", files={"file": ("canary.png", photo(0))}, headers=headers)
    keyed.client.get("/v1/canary", headers=headers)
    assert len(lines()) == 3
    said = "".join(record.getMessage() for record in caplog.records if not record.name.startswith("httpx"))
    assert "canary" not in said
    assert headers["Authorization"].removeprefix("Bearer ") not in said


def test_the_line_of_a_request_that_made_a_job_has_both_ids(api, lines):
    job = api.restoration(mode="direct")
    api.client.post(job["links"]["cancel"])
    _, made, cancelled = lines()
    assert (made["status"], made["job_id"]) == ("202", job["id"])
    assert made["request_id"]
    assert "job_id" not in cancelled


def test_probes_are_for_those_who_look_closely(api, lines):
    api.client.get("/livez")
    api.client.get("/readyz")
    assert [(line["route"], line["level"]) for line in lines()] == [("/livez", "DEBUG"), ("/readyz", "DEBUG")]


def test_a_database_that_is_away_is_an_error_line_without_the_statement(tmp_path, lines):
    with served(Database(f"sqlite:///{tmp_path}/absent/heirloom.db"), tmp_path) as api:
        assert api.client.get("/v1/jobs").status_code == 503
    (away,) = lines("database_away")
    assert away["level"] == "ERROR"
    assert away["request_id"] == lines()[0]["request_id"]
    assert lines()[0]["level"] == "WARNING"


@pytest.mark.parametrize("how", ["missing", "damaged"])
def test_a_blob_that_is_not_as_it_was_is_an_error_line(sqlite_database, tmp_path, caplog, lines, how):
    with served(sqlite_database, tmp_path, FileStore(tmp_path / "blobs")) as api:
        file_id = api.file()
        for path in [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]:
            if how == "missing":
                path.unlink()
            else:
                path.write_bytes(path.read_bytes()[:-1] + b"x")
        assert api.client.get(f"/v1/files/{file_id}/content").status_code == 500
    (failed,) = lines("answer_failed")
    assert failed["level"] == "ERROR"
    assert failed["request_id"]
    assert f"Blob{how.capitalize()}Error" in caplog.text


def test_a_full_queue_is_a_warning_not_a_fault(sqlite_database, tmp_path, lines):
    with served(sqlite_database, tmp_path, max_queued_jobs=1) as api:
        api.restoration(mode="direct")
        assert api.client.post("/v1/restorations", json={}).status_code == 503
    assert [line["level"] for line in lines("refused_for_now")] == ["WARNING"]
    assert lines("answer_failed") == []


def test_lines_of_the_api_are_json_where_that_is_chosen(api, capsys):
    before = logging.getLogger().handlers[:], logging.getLogger().level
    logs.configure("json")
    try:
        api.client.get("/v1/jobs")
        said = capsys.readouterr().err
    finally:
        logging.getLogger().handlers[:] = before[0]
        logging.getLogger().setLevel(before[1])
    assert '"event": "request"' in said
    assert '"route": "/v1/jobs"' in said

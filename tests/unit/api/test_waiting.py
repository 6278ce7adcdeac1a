import threading
import time

import pytest

from api.waiting import wanted_seconds
from tests import pretend_worker
from tests.served import served
from tests.small_photos import photo


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        ("wait=30", 30),
        ("wait=9999", 60),
        ('respond-async, wait="5"', 5),
        ("WAIT = 7; x", 7),
        ("", 0),
        ("wait", 0),
        ("wait=-1", 0),
        ("wait=abc", 0),
        ("nowait=5", 0),
        ("return=minimal", 0),
    ],
)
def test_the_header_is_read_as_its_standard_says(prefer, seconds):
    assert wanted_seconds(prefer, 60) == seconds


def worker(api, work):
    """Works on the first job that comes, in a thread."""

    def run():
        while not (jobs := api.client.get("/v1/jobs").json()["data"]):
            time.sleep(0.02)
        work(api.database, api.store, jobs[0]["id"])

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_a_job_that_ends_in_time_is_answered_with_its_result(api):
    thread = worker(api, pretend_worker.restore)
    answer = api.client.post(
        "/v1/restorations", files={"file": ("x.png", photo(0))}, data={"mode": "direct"}, headers={"Prefer": "wait=20"}
    )
    thread.join()
    assert (answer.status_code, answer.json()["status"]) == (200, "succeeded")
    assert answer.headers["preference-applied"] == "wait=20"
    assert answer.headers["location"] == f"/v1/jobs/{answer.json()['job_id']}"
    assert "retry-after" not in answer.headers
    assert api.client.get(answer.json()["links"]["image"]).status_code == 200


def test_a_job_that_fails_in_time_is_answered_with_its_error(api):
    thread = worker(api, lambda database, _store, job_id: pretend_worker.fail(database, job_id))
    body = {"input": {"file_id": api.file()}, "mode": "direct"}
    answer = api.client.post("/v1/restorations", json=body, headers={"Prefer": "wait=20"})
    thread.join()
    assert (answer.status_code, answer.json()["status"]) == (200, "failed")
    assert answer.json()["error"]["code"] == "image_unreadable"


def test_a_job_that_takes_longer_is_answered_as_without_waiting(sqlite_database, tmp_path):
    with served(sqlite_database, tmp_path, max_wait_seconds=1) as api:
        body = {"input": {"file_id": api.file()}, "mode": "direct"}
        answer = api.client.post("/v1/restorations", json=body, headers={"Prefer": "wait=300"})
        assert (answer.status_code, answer.json()["status"]) == (202, "queued")
        assert answer.headers["preference-applied"] == "wait=1"
        assert answer.headers["retry-after"]
        assert answer.headers["location"] == f"/v1/jobs/{answer.json()['id']}"


def test_many_who_wait_keep_nobody_from_being_answered(api):
    body = {"input": {"file_id": api.file()}, "mode": "direct"}
    waiting = [
        threading.Thread(
            target=api.client.post, args=("/v1/restorations",), kwargs={"json": body, "headers": {"Prefer": "wait=60"}}
        )
        for _ in range(60)  # more than there are threads that serve
    ]
    for thread in waiting:
        thread.start()
    while len(jobs := api.client.get("/v1/jobs?limit=100").json()["data"]) < len(waiting):
        time.sleep(0.05)
    for job in jobs:
        assert api.client.post(job["links"]["cancel"]).status_code == 200
    for thread in waiting:
        thread.join()

"""Jobs that are stopped, tried again, or whose process dies."""

import os
import re
import signal
import time
from pathlib import Path

import pytest

from tests.acceptance.conftest import EILEEN, wait_for
from tests.acceptance.people import album_photos, degraded_photos, zipped

CANCEL_SECONDS = 12


@pytest.fixture
def endless(api):
    """A tuning that would take hours, running."""
    made = api.post("/v1/subjects", json=EILEEN).json()
    zip_file = {"file": ("album.zip", zipped(album_photos(3)), "application/zip")}
    answer = api.post(f"/v1/subjects/{made['id']}/album", files=zip_file, data={"recipe": "endless-personal"})
    assert answer.status_code == 202, answer.text
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        job = api.get(answer.headers["Location"]).json()
        if job["stage"] == "finetune" and job["progress"]["done"] > 0:
            break
        assert job["status"] in ("queued", "running"), job
        time.sleep(0.1)
    yield answer, made
    api.post(f"{answer.headers['Location']}/cancel")
    wait_for(api, answer)


def test_a_running_job_stops_when_it_is_told_to_and_what_waited_for_it_says_so(api, endless):
    answer, subject = endless
    waiting = api.post(
        "/v1/restorations",
        files={"file": ("photo.png", degraded_photos(1)[0], "image/png")},
        data={"subject_id": subject["id"], "recipe": "tiny-personal"},
    )
    assert waiting.status_code == 202, waiting.text
    asked = time.monotonic()
    stopped = api.post(f"{answer.headers['Location']}/cancel")
    assert stopped.status_code == 202
    job = wait_for(api, answer, CANCEL_SECONDS)
    assert job["status"] == "cancelled"
    assert time.monotonic() - asked < CANCEL_SECONDS
    assert api.post(f"{answer.headers['Location']}/cancel").status_code == 200
    left = wait_for(api, waiting, 5)
    assert left["status"] == "failed"
    assert left["error"]["code"] == "checkpoint_not_ready"


def test_a_job_that_was_stopped_can_be_tried_again_as_a_new_one(api, endless):
    answer, _ = endless
    running = api.post(f"{answer.headers['Location']}/retry")
    assert running.status_code == 409, running.text
    api.post(f"{answer.headers['Location']}/cancel")
    first = wait_for(api, answer, CANCEL_SECONDS)
    again = api.post(f"{answer.headers['Location']}/retry")
    assert again.status_code == 202, again.text
    assert again.json()["retry_of"] == first["id"]
    api.post(f"{again.headers['Location']}/cancel")
    assert wait_for(api, again, CANCEL_SECONDS)["status"] == "cancelled"


def test_a_job_whose_worker_is_killed_goes_on_with_another_from_where_it_was(api, service, endless):
    answer, _ = endless
    before = api.get(answer.headers["Location"]).json()
    killed = kill_workers(service)
    assert killed > 0
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        job = api.get(answer.headers["Location"]).json()
        assert job["status"] in ("queued", "running"), job
        if job["attempt"] > before["attempt"] and job["stage"] == "finetune" and job["progress"]["done"] > 0:
            break
        time.sleep(0.2)
    assert job["attempt"] == before["attempt"] + 1
    events = api.get("/v1/jobs", params={"status": "running"}).json()["data"]
    assert [entry["id"] for entry in events] == [job["id"]]


def kill_workers(service) -> int:
    """SIGKILL every process in which a worker's claim loop runs; the operator's supervisor begins new ones."""
    families = {process.pid for process in service.processes.values()}
    found = 0
    for pid in [int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit()]:
        # From the kernel itself: `ps` cuts a command line off where COLUMNS or a guess of its own says so.
        command = of_process(pid, "cmdline").replace("\0", " ")
        is_worker = re.search(r"cli\.child .*\bworker\b|spawn_main", command)  # not Celery's helpers
        if is_worker and ancestor(pid, families):
            os.kill(pid, signal.SIGKILL)
            found += 1
    return found


def ancestor(pid: int, families: set[int]) -> bool:
    while pid > 1:
        if pid in families:
            return True
        fields = of_process(pid, "stat").rpartition(")")[2].split()
        pid = int(fields[1]) if fields else 0
    return False


def of_process(pid: int, what: str) -> str:
    """What the kernel tells of a process; nothing of one that has ended."""
    try:
        return Path(f"/proc/{pid}/{what}").read_text()
    except OSError:
        return ""

"""Jobs that are stopped, tried again, or whose process dies."""

import itertools
import os
import re
import signal
import time
from pathlib import Path

import pytest

from tests.acceptance.conftest import endless_tuning, tuning_under_way, wait_for
from tests.acceptance.people import degraded_photos

CANCEL_SECONDS = 12


@pytest.fixture
def endless(api):
    """A tuning that would take hours, running."""
    with endless_tuning(api) as running:
        tuning_under_way(api, running[0])
        yield running


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


def test_a_job_whose_worker_is_killed_is_tuned_on_by_the_one_that_is_begun_in_its_place(api, service, endless):
    """That it goes on from what was stored: tests/integration/test_worker_processes.py; it is stored once a minute."""
    answer, _ = endless
    assert kill_workers(service) > 0
    service.let_leases_end()
    job = tuning_under_way(api, answer, attempt=2)
    running = api.get("/v1/jobs", params={"status": "running"}).json()["data"]
    assert [entry["id"] for entry in running] == [job["id"]]
    with api.stream("GET", f"{answer.headers['Location']}/events") as stream:
        kinds = (line.removeprefix("event: ") for line in stream.iter_lines())
        moves = (kind for kind in kinds if kind in ("created", "claimed", "lease_lost", "drained", "fault"))
        assert list(itertools.islice(moves, 4)) == ["created", "claimed", "lease_lost", "claimed"]


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

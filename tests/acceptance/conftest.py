"""One suite, two ways to run: embedded on SQLite, and Postgres + Redis + Celery workers."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from tests.acceptance.people import album_photos, without_a_face, zipped
from tests.acceptance.service import embedded, server

EILEEN = {"name": "Eileen", "category": "person", "consent": {"given_by": "Eileen herself"}}
TERMINAL = {"succeeded", "failed", "cancelled", "expired", "quarantined"}


@pytest.fixture(scope="module", params=["embedded", "server"])
def service(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "embedded":
        with embedded(folder) as running:
            yield running
        return
    postgres, redis = request.getfixturevalue("postgres_server"), request.getfixturevalue("redis_server")
    database = postgres.create("acceptance")
    with server(folder, database, redis.url()) as running:
        yield running
    postgres.drop("acceptance")


@pytest.fixture
def api(service):
    with service.client() as client:
        yield client


@pytest.fixture
def finished(api) -> Callable[..., dict[str, Any]]:
    """Poll a job, as a caller does, until it has ended."""
    return lambda answer, seconds=90: wait_for(api, answer, seconds)


@pytest.fixture
def subject(api) -> dict[str, Any]:
    """A person who agreed."""
    answer = api.post("/v1/subjects", json=EILEEN)
    assert answer.status_code == 201, answer.text
    return answer.json()


@pytest.fixture(scope="module")
def album() -> bytes:
    """Six photos of the person, one of a cup, one that is no photo at all."""
    return zipped(album_photos(6) | {"cup.jpg": without_a_face(), "broken.jpg": b"\xff\xd8\xff\xe0 not a photo"})


@pytest.fixture(scope="module")
def tuned(service, album) -> tuple[str, dict[str, Any]]:
    """A subject with a checkpoint, made once for a module: its id, and the job that tuned it."""
    with service.client() as api:
        made = api.post("/v1/subjects", json=EILEEN).json()
        answer = api.post(
            f"/v1/subjects/{made['id']}/album",
            files={"file": ("album.zip", album, "application/zip")},
            data={"recipe": "tiny-personal"},
        )
        return made["id"], wait_for(api, answer)


def wait_for(api: httpx.Client, answer: httpx.Response, seconds: float = 90) -> dict[str, Any]:
    assert answer.status_code == 202, answer.text
    deadline = time.monotonic() + seconds
    job: dict[str, Any] = {}
    while time.monotonic() < deadline:
        job = api.get(answer.headers["Location"]).json()
        if job["status"] in TERMINAL:
            return job
        time.sleep(0.1)
    raise AssertionError(f"not ended after {seconds} s: {job}")


@contextmanager
def endless_tuning(api: httpx.Client) -> Iterator[tuple[httpx.Response, dict[str, Any]]]:
    """A tuning that would take hours, in one worker's hands: the answer to its album, and its subject."""
    made = api.post("/v1/subjects", json=EILEEN).json()
    zip_file = {"file": ("album.zip", zipped(album_photos(3)), "application/zip")}
    answer = api.post(f"/v1/subjects/{made['id']}/album", files=zip_file, data={"recipe": "endless-personal"})
    try:
        wait_until(api, answer, lambda job: job["status"] == "running")
        yield answer, made
    finally:
        api.post(f"{answer.headers['Location']}/cancel")
        wait_for(api, answer)


def tuning_under_way(
    api: httpx.Client, answer: httpx.Response, attempt: int = 1, seconds: float = 90
) -> dict[str, Any]:
    """Wait until a job's tuning makes steps, in this attempt of it."""
    steps = lambda job: job["stage"] == "finetune" and job["progress"]["done"] > 0  # noqa: E731  # used once, here
    return wait_until(api, answer, lambda job: job["attempt"] == attempt and steps(job), seconds)


def wait_until(
    api: httpx.Client, answer: httpx.Response, so: Callable[[dict[str, Any]], bool], seconds: float = 90
) -> dict[str, Any]:
    """Poll a job that has not ended until something is so."""
    assert answer.status_code == 202, answer.text
    deadline = time.monotonic() + seconds
    job: dict[str, Any] = {}
    while time.monotonic() < deadline:
        job = api.get(answer.headers["Location"]).json()
        assert job["status"] in ("queued", "running"), job
        if so(job):
            return job
        time.sleep(0.1)
    raise AssertionError(f"not so after {seconds} s: {job}")

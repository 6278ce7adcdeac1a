"""The demo over HTTP: what a program of yours would do, call by call."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from core.domain.errors import HeirloomError

POLL_SECONDS = 0.5

Report = Callable[[str, str, int, int], None]
"""A stage's name, what it works on, steps done, steps in all."""


@dataclass(frozen=True)
class Restored:
    """What came of a demo.

    Attributes:
        before: the face as it was in the photo, a PNG's bytes.
        after: the restored face, a picture's bytes.
        image: the whole photo with it, in the format in which it was sent.
        album: the album report: kept, left_out, photos.
        scores: of the result.
        seconds: what the two jobs took in the worker.
    """

    before: bytes
    after: bytes
    image: bytes
    album: dict[str, Any]
    scores: dict[str, Any]
    seconds: dict[str, float]


def restore_over_http(client: httpx.Client, album: bytes, photo: bytes, seed: int, report: Report) -> Restored:
    """Register a subject with its album, wait for the checkpoint, restore a photo with it, fetch photo and faces.

    Args:
        client: of a running service.
        album: a zip of photos.
        photo: the bad one.
        seed: of all randomness.
        report: told how far things are.

    Raises:
        HeirloomError: a request was refused, or a job did not succeed; says what the service said.
    """
    consent = {"given_by": "nobody: a public-domain portrait"}
    subject = _json(client.post("/v1/subjects", json={"name": "demo", "category": "person", "consent": consent}))
    path = f"/v1/subjects/{subject['id']}/album"
    sent = client.post(path, files={"file": ("album.zip", album)}, data={"seed": str(seed)})
    tuned = _finished(client, _json(sent)["id"], "album", report)
    fields = {"subject_id": subject["id"], "seed": str(seed)}
    sent = client.post("/v1/restorations", files={"file": ("photo.jpg", photo)}, data=fields)
    job = _finished(client, _json(sent)["id"], "photo", report)
    restoration = _json(client.get(f"/v1/restorations/{job['restoration_id']}"))
    (face,) = restoration["faces"]
    return Restored(
        before=_sound(client.get(face["original"])).content,
        after=_sound(client.get(face["candidates"][0]["image"])).content,
        image=_sound(client.get(restoration["links"]["image"])).content,
        album=_json(client.get(path)),
        scores=face["candidates"][0]["scores"],
        seconds={"album": _seconds(tuned), "restoration": _seconds(job)},
    )


def _finished(client: httpx.Client, job_id: str, item: str, report: Report) -> dict[str, Any]:
    while True:
        job = _json(client.get(f"/v1/jobs/{job_id}"))
        if job["status"] not in ("queued", "running"):
            break
        if job["stage"] and job["progress"]["total"]:
            report(job["stage"], item, job["progress"]["done"], job["progress"]["total"])
        time.sleep(POLL_SECONDS)
    if job["status"] != "succeeded":
        problem = job["error"] or {"detail": f"The job ended as {job['status']}.", "advice": ""}
        raise HeirloomError(problem["detail"], problem["advice"])
    return job


def _seconds(job: dict[str, Any]) -> float:
    seconds: dict[str, float] = job["metrics"].get("seconds", {})
    return round(sum(seconds.values()), 1)


def _json(response: httpx.Response) -> dict[str, Any]:
    answer: dict[str, Any] = _sound(response).json()
    return answer


def _sound(response: httpx.Response) -> httpx.Response:
    if response.is_error:
        problem = response.json()
        raise HeirloomError(problem["detail"], problem.get("advice", ""))
    return response

"""Sending the corpus to a running service, by every way that a file can go, and looking at what becomes of it."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx

from core.imaging.signature import HEAD_BYTES, media_type_of, readable
from tests.corpus.case import DECODED, NO_PHOTOS, REJECTED, UNSUPPORTED, Case

RESTORED = {"mode": "direct", "recipe": "tiny-direct"}
NO_FACE = {"no_face_detected", "face_too_small"}
"""A photo that was decoded, and shows nobody."""
NOT_AN_ALBUM = {"album_too_small", "invalid_request"}
"""A sound zip that has too few photos in it, or none."""
ENDED = {"succeeded", "failed", "cancelled", "expired", "quarantined"}
WAIT_SECONDS = 300.0


@dataclass(frozen=True)
class Fate:
    """What became of one case on one way.

    Attributes:
        case: see there.
        way: where it went.
        outcome: the error's code, or `decoded`.
        seconds: the answer took; 0 for a job, which runs together with others.
        wrong: what should not be; empty where all is well.
    """

    case: Case
    way: str
    outcome: str
    seconds: float
    wrong: str


class Sender:
    """Sends cases through a client of a service whose recipes are those of the acceptance suite."""

    def __init__(self, client: httpx.Client) -> None:
        """Make somebody whose albums the zips are."""
        self._client = client
        made = client.post("/v1/subjects", json={"name": "Nobody", "category": "cat"})
        made.raise_for_status()
        self._album = f"/v1/subjects/{made.json()['id']}/album"
        self._jobs: list[tuple[Case, str]] = []

    def send(self, cases: Iterable[Case]) -> Iterator[Fate]:
        """Send each on every way; at the end the jobs that came of it are waited for."""
        for case in cases:
            yield from self._zip(case) if case.kind == "zip" else self._photo(case)
        yield from self._finished()

    def _photo(self, case: Case) -> Iterator[Fate]:
        data = case.make()
        stored, fate = self._asked(case, "upload", "PUT", "/v1/files", content=data)
        yield fate
        if stored is None:
            for way, path, fields in (("detect", "/v1/faces/detect", {}), ("restore", "/v1/restorations", RESTORED)):
                yield self._asked(case, way, "POST", path, files={"file": ("x.jpg", data)}, data=fields)[1]
            return
        file_id = stored["id"]
        yield self._asked(case, "detect", "POST", "/v1/faces/detect", json={"file_id": file_id})[1]
        body = {"input": {"file_id": file_id}, **RESTORED}
        job, fate = self._asked(case, "restore", "POST", "/v1/restorations", json=body)
        if job is None:
            yield fate
        else:
            self._jobs.append((case, job["id"]))

    def _zip(self, case: Case) -> Iterator[Fate]:
        data = case.make()
        files = {"file": ("x.zip", data)}
        job, fate = self._asked(case, "album", "POST", self._album, files=files, data={"tune": "false"})
        yield fate
        batch, fate = self._asked(case, "batch", "POST", "/v1/batches", files=files, data=RESTORED)
        one_photo = readable(media_type_of(data[:HEAD_BYTES]))  # a batch takes photos, too, whatever they are called
        yield replace(fate, wrong="") if batch is not None and one_photo else fate
        if job is not None:
            self._client.post(f"/v1/jobs/{job['id']}/cancel")
        if batch is not None:
            self._client.delete(batch["links"]["self"])

    def _asked(
        self, case: Case, way: str, method: str, path: str, **sent: Any
    ) -> tuple[Any, Fate]:  # httpx's many options
        started = time.monotonic()
        answer = self._client.request(method, path, **sent)
        seconds = time.monotonic() - started
        if answer.is_success:
            wrong = "" if DECODED in case.outcomes or way in ("upload", "restore") else "it was taken"
            return answer.json(), Fate(case, way, DECODED, seconds, wrong)
        problem = answer.json()
        code, wrong = problem.get("code", "none"), ""
        if answer.is_server_error or not (problem.get("detail") and problem.get("advice")):
            wrong = f"status {answer.status_code}, {problem.get('detail')}"
        elif code not in _refusals(case, way):
            wrong = f"expected {' or '.join(sorted(case.outcomes))}"
        return None, Fate(case, way, code, seconds, wrong)

    def _finished(self) -> Iterator[Fate]:
        deadline = time.monotonic() + WAIT_SECONDS
        for case, job_id in self._jobs:
            job = self._client.get(f"/v1/jobs/{job_id}").json()
            while job["status"] not in ENDED and time.monotonic() < deadline:
                time.sleep(0.1)
                job = self._client.get(f"/v1/jobs/{job_id}").json()
            code = (job["error"] or {}).get("code", DECODED)
            outcome = DECODED if code in NO_FACE else code
            known = job["status"] in ("succeeded", "failed") and job["attempt"] == 1 and outcome in case.outcomes
            wrong = "" if known else f"{job['status']} in attempt {job['attempt']}"
            yield Fate(case, "restore", outcome, 0.0, wrong)


def _refusals(case: Case, way: str) -> set[str]:
    """Codes that a case may be refused with: by its first bytes alone, by a decoder, as an album or a batch."""
    known = set(case.outcomes)
    if way in ("album", "batch"):
        if known & {REJECTED, NO_PHOTOS}:
            known |= {UNSUPPORTED, "image_unreadable"}  # by its first bytes it is no zip, or it is empty
        if known & {DECODED, NO_PHOTOS}:
            known |= NOT_AN_ALBUM
    elif known != {DECODED}:
        known.add(UNSUPPORTED)
    return known

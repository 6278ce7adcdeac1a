"""How every accepted job ended, asked as a caller asks; and what the database alone can say."""

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx
from sqlalchemy import func, select

from core.db.session import Database
from core.db.tables import Job
from tests.chaos.ledger import Entry
from tests.chaos.site import Site

TERMINAL = ("succeeded", "failed", "cancelled", "expired", "quarantined")
_CALLERS = 3
_TRIES = 5


@dataclass(frozen=True)
class Outcome:
    """One job's.

    Attributes:
        entry: of the ledger.
        status: of the job; empty: it is not there.
        code: of its error.
        attempt: its last.
        crashes: workers that it lost.
        result: the status with which its result was answered; 0: it has none to fetch.
    """

    entry: Entry
    status: str
    code: str = ""
    attempt: int = 0
    crashes: int = 0
    result: int = 0


def outcomes(site: Site, entries: Iterable[Entry]) -> list[Outcome]:
    """Ask the API about every job, and fetch each result whole."""
    with (
        httpx.Client(base_url=site.url, headers=site.headers, timeout=30) as http,
        ThreadPoolExecutor(_CALLERS) as callers,
    ):
        return list(callers.map(lambda entry: _outcome(http, entry), entries))


def made_of(database: Database) -> dict[int, int]:
    """How many jobs there are of each seed: a request that was repeated has one."""
    with database.read() as session:
        rows = session.execute(select(Job.seed, func.count()).group_by(Job.seed))
        return {int(seed): int(count) for seed, count in rows}


def crashes_of(database: Database) -> dict[str, int]:
    """By job: how many workers it lost."""
    with database.read() as session:
        return dict(session.execute(select(Job.id, Job.crashes)).tuples().all())


def _outcome(http: httpx.Client, entry: Entry) -> Outcome:
    answer = _get(http, f"/v1/jobs/{entry.job_id}")
    if answer.status_code != httpx.codes.OK:
        return Outcome(entry, "", f"answered {answer.status_code}")
    job: dict[str, Any] = answer.json()
    code = (job["error"] or {}).get("code", "")
    result = 0
    if job["status"] == "succeeded":
        link = job["links"]["image"] or job["links"]["checkpoint"]
        result = _get(http, link).status_code if link else 0
    return Outcome(entry, job["status"], code, job["attempt"], result=result)


def _get(http: httpx.Client, path: str) -> httpx.Response:
    answer = httpx.Response(httpx.codes.SERVICE_UNAVAILABLE)
    for _ in range(_TRIES):
        try:
            answer = http.get(path)
        except httpx.TransportError:
            answer = httpx.Response(httpx.codes.SERVICE_UNAVAILABLE)
        if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
            return answer
        time.sleep(1.0)
    return answer

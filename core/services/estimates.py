"""How long something will take: from what was measured here, and nothing where nothing was measured."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from sqlalchemy.orm import Session

from core.db import jobs, outlook, workers
from core.db.outlook import Work
from core.db.session import now_of
from core.db.tables import Job
from core.domain.job import JobStatus

SOONEST_SECONDS = 1
LATEST_SECONDS = 60
"""Nobody is told to come back later than this: workers may be added meanwhile."""
_UNKNOWN_SECONDS = 5
_MOST_KEPT = 1_000


@dataclass(frozen=True)
class Forecast:
    """A job's outlook.

    Attributes:
        queue_position: 1 for the next one; None for one that is not queued.
        eta_seconds: until it has ended; None where nothing alike was measured, or no worker is there.
    """

    queue_position: int | None = None
    eta_seconds: float | None = None


class Measured:
    """What was measured, remembered for a moment: everybody who polls asks the same, and it changes slowly."""

    def __init__(self, worker_life: timedelta, kept_seconds: float = 2.0) -> None:
        """Nothing is known yet.

        Args:
            worker_life: a worker that was not heard of for so long is taken for gone.
            kept_seconds: how long an answer serves for others.
        """
        self.kept_seconds = kept_seconds
        self._worker_life = worker_life
        self._kept: dict[Work | None, tuple[float, float | None]] = {}

    def seconds(self, session: Session, work: Work) -> float | None:
        """How long such a job usually runs; None where none was measured."""
        return self._remembered(work, lambda: _median(jobs.recent_seconds(session, *work)))

    def workers(self, session: Session) -> float:
        """How many are alive."""
        return self._remembered(None, lambda: float(len(workers.alive(session, self._worker_life)))) or 0.0

    def _remembered(self, key: Work | None, ask: Callable[[], float | None]) -> float | None:
        now = time.monotonic()
        found = self._kept.get(key)
        if found is not None and now - found[0] < self.kept_seconds:
            return found[1]
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        value = ask()
        self._kept[key] = (now, value)
        return value


def _median(values: list[float]) -> float | None:
    return median(values) if values else None


class Forecaster:
    """Looks at the queue in one transaction."""

    def __init__(self, session: Session, measured: Measured) -> None:
        """Ask nothing yet."""
        self._session = session
        self._measured = measured
        self._now: datetime | None = None

    def of(self, job: Job) -> Forecast:
        """A job's outlook."""
        if job.status == JobStatus.RUNNING:
            return Forecast(eta_seconds=self._remaining(_work_of(job), job.started_at))
        if job.status != JobStatus.QUEUED:
            return Forecast()
        ahead = outlook.ahead_of(self._session, job)
        return Forecast(1 + sum(count for _, count in ahead), self._queued(job, ahead))

    def _queued(self, job: Job, ahead: list[tuple[Work, int]]) -> float | None:
        own = self._measured.seconds(self._session, _work_of(job))
        if own is None or not self._measured.workers(self._session):
            return None
        before = 0.0
        for work, count in ahead:
            usual = self._measured.seconds(self._session, work)
            if usual is None:
                return None
            before += count * usual
        for work, started_at in outlook.running(self._session):
            left = self._remaining(work, started_at)
            if left is None:
                return None
            before += left
        return round(before / self._measured.workers(self._session) + own, 1)

    def _remaining(self, work: Work, started_at: datetime | None) -> float | None:
        seconds = self._measured.seconds(self._session, work)
        if seconds is None or started_at is None:
            return None
        if self._now is None:
            self._now = now_of(self._session)
        return round(max(0.0, seconds - (self._now - started_at).total_seconds()), 1)


def retry_after_seconds(forecast: Forecast) -> int:
    """When it is worth asking again about a job."""
    seconds = _UNKNOWN_SECONDS if forecast.eta_seconds is None else forecast.eta_seconds
    return round(min(max(seconds, SOONEST_SECONDS), LATEST_SECONDS))


def seconds_until_room(session: Session, measured: Measured) -> int:
    """When the queue is likely to have moved on: a job's usual time over the live workers."""
    usual = _median(outlook.latest_seconds(session))
    if usual is None:
        return LATEST_SECONDS
    seconds = usual / max(1.0, measured.workers(session))
    return round(min(max(seconds, SOONEST_SECONDS), LATEST_SECONDS))


def _work_of(job: Job) -> Work:
    return job.kind, job.recipe_digest, job.prior_sha256

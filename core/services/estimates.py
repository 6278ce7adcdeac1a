"""How long something will take: from what was measured here, and nothing where nothing was measured."""

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


@dataclass(frozen=True)
class Forecast:
    """A job's outlook.

    Attributes:
        queue_position: 1 for the next one; None for one that is not queued.
        eta_seconds: until it has ended; None where nothing alike was measured, or no worker is there.
    """

    queue_position: int | None = None
    eta_seconds: float | None = None


class Forecaster:
    """Looks at the queue in one transaction; what it found once it uses for every job that is asked about."""

    def __init__(self, session: Session, worker_life: timedelta) -> None:
        """Ask nothing yet."""
        self._session = session
        self._worker_life = worker_life
        self._medians: dict[Work, float | None] = {}
        self._workers: int | None = None
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
        own = self._median(_work_of(job))
        if own is None or not self._live_workers():
            return None
        before = 0.0
        for work, count in ahead:
            seconds = self._median(work)
            if seconds is None:
                return None
            before += count * seconds
        for work, started_at in outlook.running(self._session):
            seconds = self._remaining(work, started_at)
            if seconds is None:
                return None
            before += seconds
        return round(before / self._live_workers() + own, 1)

    def _remaining(self, work: Work, started_at: datetime | None) -> float | None:
        seconds = self._median(work)
        if seconds is None or started_at is None:
            return None
        if self._now is None:
            self._now = now_of(self._session)
        return round(max(0.0, seconds - (self._now - started_at).total_seconds()), 1)

    def _median(self, work: Work) -> float | None:
        if work not in self._medians:
            measured = jobs.recent_seconds(self._session, *work)
            self._medians[work] = median(measured) if measured else None
        return self._medians[work]

    def _live_workers(self) -> int:
        if self._workers is None:
            self._workers = len(workers.alive(self._session, self._worker_life))
        return self._workers


def retry_after_seconds(forecast: Forecast) -> int:
    """When it is worth asking again about a job."""
    seconds = _UNKNOWN_SECONDS if forecast.eta_seconds is None else forecast.eta_seconds
    return round(min(max(seconds, SOONEST_SECONDS), LATEST_SECONDS))


def seconds_until_room(session: Session, worker_life: timedelta) -> int:
    """When the queue is likely to have moved on: a job's usual time over the live workers."""
    measured = outlook.latest_seconds(session)
    if not measured:
        return LATEST_SECONDS
    seconds = median(measured) / max(1, len(workers.alive(session, worker_life)))
    return round(min(max(seconds, SOONEST_SECONDS), LATEST_SECONDS))


def _work_of(job: Job) -> Work:
    return job.kind, job.recipe_digest, job.prior_sha256

"""How long something will take: from what was measured here, and nothing where nothing was measured.

Everybody who polls asks about the same queue: it is looked at once a second, not once a poll.
"""

import time
from bisect import bisect_left
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from math import isnan, nan
from statistics import median

from sqlalchemy.orm import Session

from core.db import jobs, outlook, workers
from core.db.outlook import Place, Running, Work, place_of, work_of
from core.db.session import now_of
from core.db.tables import Job
from core.domain.job import JobStatus

SOONEST_SECONDS = 1
LATEST_SECONDS = 60
"""Nobody is told to come back later than this: workers may be added meanwhile."""
_UNKNOWN_SECONDS = 5
_UNKNOWN = nan
"""Of work that was never measured; whatever is added to it is unknown too."""


@dataclass(frozen=True)
class Forecast:
    """A job's outlook.

    Attributes:
        queue_position: 1 for the next one; None for one that is not queued.
        eta_seconds: until it has ended; None where nothing alike was measured, or no worker is there.
    """

    queue_position: int | None = None
    eta_seconds: float | None = None


@dataclass(frozen=True)
class _Queue:
    """The queue as it was found.

    Attributes:
        seen_at: by this process's clock.
        now: by the database's.
        places: of the queued jobs, in order.
        seconds_before: of each place, and one more: what the jobs before it take together; NaN where that is unknown.
        running: in workers' hands.
        workers: how many are alive.
        usual: seconds of every work that was asked about; NaN where none was measured.
    """

    seen_at: float
    now: datetime
    places: list[Place]
    seconds_before: list[float]
    running: list[Running]
    workers: int
    usual: dict[Work, float]


class Forecaster:
    """Foretells jobs; made once, and shared by all threads."""

    def __init__(self, worker_life: timedelta, kept_seconds: float = 1.0) -> None:
        """Nothing is known yet.

        Args:
            worker_life: a worker that was not heard of for so long is taken for gone.
            kept_seconds: how long one look at the queue serves.
        """
        self.kept_seconds = kept_seconds
        self._worker_life = worker_life
        self._queue: _Queue | None = None

    def of(self, session: Session, job: Job) -> Forecast:
        """A job's outlook; the database is asked only where the last look was too long ago."""
        if job.status == JobStatus.RUNNING:
            queue = self._look(session)
            return Forecast(eta_seconds=_known(_left(queue, session, Running(work_of(job), job.started_at))))
        if job.status != JobStatus.QUEUED:
            return Forecast()
        queue = self._look(session)
        index = bisect_left(queue.places, place_of(job))
        if not queue.workers:
            return Forecast(index + 1)
        before = queue.seconds_before[index] + sum(_left(queue, session, one) for one in queue.running)
        return Forecast(index + 1, _known(before / queue.workers + _usual(queue, session, work_of(job))))

    def seconds_until_room(self, session: Session) -> int:
        """When the queue is likely to have moved on: a job's usual time over the live workers."""
        measured = outlook.latest_seconds(session)
        if not measured:
            return LATEST_SECONDS
        return _asked_again(median(measured) / max(1, self._look(session).workers))

    def _look(self, session: Session) -> _Queue:
        queue = self._queue
        if queue is None or time.monotonic() - queue.seen_at >= self.kept_seconds:
            waiting = outlook.waiting(session)
            usual = {work: _measured(session, work) for work in {one.work for one in waiting}}
            queue = self._queue = _Queue(
                seen_at=time.monotonic(),
                now=now_of(session),
                places=[one.place for one in waiting],
                seconds_before=list(accumulate((usual[one.work] for one in waiting), initial=0.0)),
                running=outlook.running(session),
                workers=len(workers.alive(session, self._worker_life)),
                usual=usual,
            )
        return queue


def _left(queue: _Queue, session: Session, job: Running) -> float:
    """What is left of a running job, in seconds."""
    if job.started_at is None:
        return _UNKNOWN
    gone = (queue.now - job.started_at).total_seconds() + time.monotonic() - queue.seen_at
    usual = _usual(queue, session, job.work)
    return usual if isnan(usual) else max(0.0, usual - gone)


def _usual(queue: _Queue, session: Session, work: Work) -> float:
    if work not in queue.usual:
        queue.usual[work] = _measured(session, work)
    return queue.usual[work]


def _measured(session: Session, work: Work) -> float:
    seconds = jobs.recent_seconds(session, *work)
    return median(seconds) if seconds else _UNKNOWN


def _known(seconds: float) -> float | None:
    return None if isnan(seconds) else round(seconds, 1)


def _asked_again(seconds: float) -> int:
    return round(min(max(seconds, SOONEST_SECONDS), LATEST_SECONDS))


def retry_after_seconds(forecast: Forecast) -> int:
    """When it is worth asking again about a job."""
    return _asked_again(_UNKNOWN_SECONDS if forecast.eta_seconds is None else forecast.eta_seconds)

"""How long something will take: from what was measured here, and nothing where nothing was measured.

Everybody who polls asks about the same queue: it is looked at once a second, not once a poll. A transaction that writes
has the database count what is ahead of its own new job: it may yet come to nothing, and must not take long.
"""

import time
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from math import isnan
from statistics import median

from sqlalchemy.orm import Session

from core.db import outlook, workers
from core.db.outlook import Running, Work, work_of
from core.db.session import now_of, writes
from core.db.tables import Job
from core.domain.job import JobStatus
from core.services.timings import UNKNOWN, Timings

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
        lacks_prior: workers are there, and none has the prior of this queued job.
    """

    queue_position: int | None = None
    eta_seconds: float | None = None
    lacks_prior: bool = False


@dataclass(frozen=True)
class _Run:
    """What one worker has in hand: a job, or several in one batch that end together.

    Attributes:
        job_ids: the jobs.
        since: when it claimed them.
        seconds: what they usually take together; NaN where that is unknown.
    """

    job_ids: frozenset[str]
    since: datetime | None
    seconds: float

    def left(self, now: datetime) -> float:
        """Seconds until it ends; 0 where it takes longer than usual."""
        if self.since is None or isnan(self.seconds):
            return UNKNOWN
        return max(0.0, self.seconds - (now - self.since).total_seconds())


@dataclass(frozen=True)
class _Queue:
    """The queue as it was found.

    Attributes:
        seen_at: by this process's clock.
        found_at: by the database's.
        places: of each queued job, 0 for the first.
        seconds_before: of each place, and one more: what the jobs before it take together; NaN where that is unknown.
        runs: in workers' hands.
        priors: hashes of the priors that each live worker has.
    """

    seen_at: float
    found_at: datetime
    places: dict[str, int]
    seconds_before: list[float]
    runs: list[_Run]
    priors: list[frozenset[str]]

    def knows(self, job: Job) -> bool:
        """Whether the job was there already."""
        if job.status == JobStatus.RUNNING:
            return self.run_of(job) is not None
        return job.id in self.places

    def run_of(self, job: Job) -> _Run | None:
        """The run in which it is."""
        return next((run for run in self.runs if job.id in run.job_ids), None)

    @property
    def now(self) -> datetime:
        """By the database's clock, about."""
        return self.found_at + timedelta(seconds=time.monotonic() - self.seen_at)


class Forecaster:
    """Foretells jobs; made once, and shared by all threads."""

    def __init__(self, worker_life: timedelta, kept_seconds: float = 1.0) -> None:
        """Nothing is known yet.

        Args:
            worker_life: a worker that was not heard of for so long is taken for gone.
            kept_seconds: how long one look at the queue serves those whose jobs were there.
        """
        self.kept_seconds = kept_seconds
        self._worker_life = worker_life
        self._queue: _Queue | None = None
        self._timings = Timings()

    def of(self, session: Session, job: Job) -> Forecast:
        """A job's outlook; the database is asked only where the last look was too long ago, or did not see this job."""
        if job.status == JobStatus.QUEUED and writes(session):
            return self._of_new(session, job)
        if job.status == JobStatus.RUNNING:
            queue = self._look(session, job)
            run = queue.run_of(job)
            return Forecast(eta_seconds=None if run is None else _known(run.left(queue.now)))
        if job.status != JobStatus.QUEUED:
            return Forecast()
        queue = self._look(session, job)
        # One that is not among them any more is about to be taken: its row was read before.
        index = queue.places.get(job.id, 0)
        if not any(job.prior_sha256 in priors for priors in queue.priors):
            return Forecast(index + 1, lacks_prior=bool(queue.priors))
        now = queue.now
        before = queue.seconds_before[index] + sum(run.left(now) for run in queue.runs)
        own = self._timings.seconds(session, work_of(job), self.kept_seconds)
        return Forecast(index + 1, _known(before / len(queue.priors) + own))

    def _of_new(self, session: Session, job: Job) -> Forecast:
        ahead, in_hand = outlook.ahead_of(session, job), outlook.running(session)
        position = sum(count for _, count in ahead) + 1
        priors = self._priors(session)
        if not any(job.prior_sha256 in one for one in priors):
            return Forecast(position, lacks_prior=bool(priors))
        works = {work for work, _ in ahead} | {one.work for one in in_hand} | {work_of(job)}
        usual = {work: self._timings.seconds(session, work, self.kept_seconds) for work in works}
        # What nobody has the prior for is in nobody's way.
        before = sum(usual[work] * count for work, count in ahead if _fits(work, priors))
        now = now_of(session)
        left = sum(run.left(now) for run in _runs(in_hand, usual))
        return Forecast(position, _known((before + left) / len(priors) + usual[work_of(job)]))

    def seconds_until_room(self, session: Session) -> int:
        """When the queue is likely to have moved on: a job's usual time over the live workers."""
        measured = outlook.latest_seconds(session)
        if not measured:
            return LATEST_SECONDS
        return _asked_again(median(measured) / max(1, len(self._look(session).priors)))

    def _look(self, session: Session, job: Job | None = None) -> _Queue:
        known = self._queue
        fresh = known is not None and time.monotonic() - known.seen_at < self.kept_seconds
        if known is not None and fresh and (job is None or known.knows(job)):
            return known
        queue = self._found(session)
        if not writes(session):  # what that sees, others may never see
            self._queue = queue
        return queue

    def _priors(self, session: Session) -> list[frozenset[str]]:
        return [frozenset(worker.priors) for worker in workers.alive(session, self._worker_life)]

    def _found(self, session: Session) -> _Queue:
        waiting, running = outlook.waiting(session), outlook.running(session)
        priors = self._priors(session)
        usual = {
            work: self._timings.seconds(session, work, self.kept_seconds)
            for work in {one.work for one in waiting} | {one.work for one in running}
        }
        # What nobody has the prior for is in nobody's way.
        loads = [usual[work] if _fits(work, priors) else 0.0 for _, work in waiting]
        return _Queue(
            seen_at=time.monotonic(),
            found_at=now_of(session),
            places={one.job_id: place for place, one in enumerate(waiting)},
            seconds_before=list(accumulate(loads, initial=0.0)),
            runs=_runs(running, usual),
            priors=priors,
        )


def _fits(work: Work, priors: list[frozenset[str]]) -> bool:
    return any(work.alike.prior_sha256 in one for one in priors)


def _runs(running: list[Running], usual: dict[Work, float]) -> list[_Run]:
    in_hand: dict[str | None, list[Running]] = defaultdict(list)
    for one in running:
        in_hand[one.worker_id].append(one)
    return [_run(jobs, usual) for jobs in in_hand.values()]


def _run(jobs: list[Running], usual: dict[Work, float]) -> _Run:
    since = min((job.claimed_at for job in jobs if job.claimed_at is not None), default=None)
    # Each measured time is a job's own share of its batch: all of them together are the batch's.
    return _Run(frozenset(job.job_id for job in jobs), since, sum(usual[job.work] for job in jobs))


def _known(seconds: float) -> float | None:
    return None if isnan(seconds) else round(seconds, 1)


def _asked_again(seconds: float) -> int:
    return round(min(max(seconds, SOONEST_SECONDS), LATEST_SECONDS))


def retry_after_seconds(forecast: Forecast) -> int:
    """When it is worth asking again about a job."""
    return _asked_again(_UNKNOWN_SECONDS if forecast.eta_seconds is None else forecast.eta_seconds)

"""A thread that keeps what this worker holds: leases renewed, progress told, cancellations heard."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError

from core import logs
from core.db import events, queue
from core.db.session import Database, now_of
from worker.held import HeldJob
from worker.presence import Presence

PROGRESS_SECONDS = 0.5
_log = logs.get_logger(__name__)


class Heartbeat:
    """Beats every `heartbeat_seconds`, and sooner where there is progress to tell or the last beat failed."""

    def __init__(
        self,
        database: Database,
        presence: Presence,
        lease: timedelta,
        heartbeat_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Hold nothing yet."""
        self._database = database
        self._presence = presence
        self._lease = lease
        self._every = heartbeat_seconds
        self._clock = clock
        self._held: tuple[HeldJob, ...] = ()
        self._due_at = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat_on, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def stop(self) -> None:
        """Beat no more."""
        self._stop.set()
        self._thread.join()

    @contextmanager
    def holding(self, held: Sequence[HeldJob]) -> Iterator[None]:
        """Keep these jobs inside the block."""
        self._held = tuple(held)
        self._due_at = 0.0
        try:
            yield
        finally:
            self._held = ()
            self._due_at = 0.0

    @property
    def held(self) -> tuple[HeldJob, ...]:
        """The jobs of the block there is still something to do for."""
        return tuple(one for one in self._held if one.open)

    def sure_of(self, held: HeldJob) -> bool:
        """Whether the database confirmed a job lately enough, three quarters of a lease, to go on with it."""
        return held.clock() - held.confirmed_at <= 0.75 * self._lease.total_seconds()

    def beat(self) -> None:
        """One round: the jobs, then the worker itself."""
        due = self._clock() >= self._due_at
        held = self.held
        missed = False
        for one in held:
            if due or one.has_news:
                try:
                    self._beat_for(one)
                except SQLAlchemyError as error:  # one job's trouble must not cost the others their lease
                    missed = True
                    _log.warning("heartbeat_missed", job_id=one.id, error=error)
        try:
            if due:
                self._presence.seen([one.id for one in held])
                if not missed:
                    self._due_at = self._clock() + self._every
        except SQLAlchemyError as error:
            _log.warning("heartbeat_missed", error=error)

    def _beat_on(self) -> None:
        while not self._stop.wait(min(PROGRESS_SECONDS, self._every)):
            try:
                self.beat()
            except Exception:  # whatever it is, the next beat may succeed, and without beats every job is lost
                _log.exception("heartbeat_failed")

    def _beat_for(self, held: HeldJob) -> None:
        sent_at = self._clock()
        report = held.take_report()
        try:
            with self._database.write() as session:
                answer = queue.heartbeat(session, held.id, held.attempt, self._lease)
                if answer.alive and report is not None:
                    columns = {"progress_done": report.done, "progress_total": report.total}
                    job = queue.fenced(session, held.id, held.attempt, stage=report.stage, **columns)
                    now = now_of(session)
                    for stage in report.begun:
                        events.append(session, job, "stage", now, {"stage": stage})
        except BaseException:
            if report is not None:
                held.give_back(report)
            raise
        if not answer.alive and held.open and not held.ending:
            held.lost = True
            _log.warning("lease_lost", job_id=held.id, attempt=held.attempt)
        held.cancel_requested = held.cancel_requested or answer.cancel_requested
        held.confirmed_at = sent_at

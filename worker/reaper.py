"""A thread that takes back what dead workers hold, and once in a while sweeps: every worker has one, one works."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from core import logs
from core.db import reaper
from core.db.session import Database, now_of
from core.db.tables import Job
from worker.endings import settle

HOUSEKEEPING_SECONDS = 3600.0
_LOCK = 0x6865_6972  # one advisory lock of Postgres, "heir": who has it reaps, the others skip this round
_log = logs.get_logger(__name__)


class Reaper:
    """Of one worker."""

    def __init__(
        self,
        database: Database,
        lease: timedelta,
        reap_seconds: float,
        housekeeping: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Bind.

        Args:
            database: the queue.
            lease: after a start of the database server nobody is judged for so long: nobody could have sent a sign.
            reap_seconds: between rounds.
            housekeeping: called about once an hour.
            clock: monotonic.
        """
        self._database = database
        self._lease = lease
        self._every = reap_seconds
        self._housekeeping = housekeeping
        self._clock = clock
        self._kept_house_at = clock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._reap_on, name="reaper", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the round in hand."""
        self._stop.set()
        self._thread.join()

    def reap(self) -> reaper.Reaped | None:
        """One round; None where it is another's, or the server has only just started."""
        with self._database.write() as session:
            if not self._may_judge(session):
                return None
            found = reaper.reap(session)
            now = now_of(session)
            for job_id in (*found.quarantined, *found.expired, *found.orphaned, *found.cancelled):
                settle(session, session.get_one(Job, job_id), now)
        if any((found.requeued, found.quarantined, found.expired, found.orphaned, found.cancelled)):
            _log.warning(
                "reaped",
                requeued=found.requeued,
                quarantined=found.quarantined,
                expired=found.expired,
                orphaned=found.orphaned,
                cancelled=found.cancelled,
            )
        return found

    def _may_judge(self, session: Session) -> bool:
        if self._database.is_sqlite:
            return True
        if not session.scalar(select(func.pg_try_advisory_xact_lock(_LOCK))):
            return False
        started_at = session.scalars(select(text("pg_postmaster_start_time()"))).one()
        return bool(now_of(session) - started_at > self._lease)

    def _reap_on(self) -> None:
        while not self._stop.wait(self._every):
            try:
                self.reap()
                if self._clock() - self._kept_house_at > HOUSEKEEPING_SECONDS:
                    self._kept_house_at = self._clock()
                    self._housekeeping()
            except SQLAlchemyError as error:
                _log.warning("reaper_missed", error=error)
            except Exception:  # the next round may succeed, and without any, dead workers keep their jobs
                _log.exception("reaper_failed")

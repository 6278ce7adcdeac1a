"""A thread that takes back what dead workers hold, and once in a while sweeps: every worker has one, one works."""

import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError

from core import logs
from core.db.reaper import Reaped, reap
from core.db.session import Database

HOUSEKEEPING_SECONDS = 3600.0
FIRST_HOUSEKEEPING_SECONDS = 60.0
"""After the start: on a laptop few workers live for an hour."""
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
            housekeeping: called a minute after the start, and then about once an hour.
            clock: monotonic.
        """
        self._database = database
        self._lease = lease
        self._every = reap_seconds
        self._housekeeping = housekeeping
        self._clock = clock
        self._kept_house_at = clock() - HOUSEKEEPING_SECONDS + FIRST_HOUSEKEEPING_SECONDS
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._reap_on, name="reaper", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the round in hand."""
        self._stop.set()
        self._thread.join()

    def reap(self) -> Reaped:
        """One round; nothing is found where another worker has this one."""
        with self._database.write() as session:
            found = reap(session, grace=self._lease)
        counts = {name: len(ids) for name, ids in asdict(found).items() if ids}
        if counts:
            _log.warning("reaped", **counts)
        return found

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

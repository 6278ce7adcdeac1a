"""A thread that takes back what dead workers hold, and once in a while sweeps: every worker has one, one works.

Every API has one, too: a deadline must pass and a dead worker's job must be seen to wait also while no worker lives.
"""

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
    """Of one process."""

    def __init__(
        self,
        database: Database,
        lease: timedelta,
        reap_seconds: float,
        housekeeping: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Bind.

        Args:
            database: the queue.
            lease: after a start of the database server nobody is judged for so long: nobody could have sent a sign.
            reap_seconds: between rounds.
            housekeeping: called a minute after the start, and then about once an hour.
            clock: monotonic.
            wall: of the day: on Linux it goes on while the machine is suspended, and the other does not.
        """
        self._database = database
        self._lease = lease
        self._every = reap_seconds
        self._housekeeping = housekeeping
        self._clock = clock
        self._wall = wall
        self._last_round_at = self._judges_from = wall()
        self._kept_house_at = clock() - HOUSEKEEPING_SECONDS + FIRST_HOUSEKEEPING_SECONDS
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._reap_on, name="reaper", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._last_round_at = self._wall()
        self._thread.start()

    def stop(self) -> None:
        """End after the round in hand."""
        self._stop.set()
        self._thread.join()

    def reap(self) -> Reaped:
        """One round; nothing is found where another worker has this one.

        A machine that slept, a laptop whose lid was closed, finds its own leases over when it wakes; so does everybody
        once a database takes writes again that took none for a while. For one more lease nobody is judged dead then:
        heartbeats come first.
        """
        now = self._wall()
        lease_seconds = self._lease.total_seconds()
        if now - self._last_round_at > self._every + lease_seconds / 4:
            self._judges_from = now + lease_seconds
        with self._database.write() as session:
            found = reap(session, grace=self._lease, judges=now >= self._judges_from)
        self._last_round_at = now  # not before: a round that failed is one in which no heartbeat got through either
        counts = {name: len(ids) for name, ids in asdict(found).items() if ids}
        if counts:
            _log.warning("reaped", **counts)
        for station in found.set_aside:
            _log.error("station_set_aside", station=station)
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

"""The database or the blobs may be away for a while: a running job waits for them instead of ending."""

import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from core import logs
from core.db.session import Database
from core.domain.errors import DrainedError, LeaseLostError, StorageError
from worker.drain import Drain
from worker.held import HeldJob
from worker.watchdog import Watchdog

AWAY = (OperationalError, InterfaceError, PoolTimeoutError)
"""What SQLAlchemy raises where the database cannot be reached, is locked, or has no room."""
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 2.0
_SILENCE = 0.75
"""Of a lease: heartbeats come at least twice in one; after so long without any, none gets through."""
Returned = TypeVar("Returned")
_log = logs.get_logger(__name__)


class Patience:
    """Repeats what fails because something is away.

    As long as no heartbeat gets through either, it waits without an end: on the database's return the attempt still
    counts. Where heartbeats do get through, and the same write has failed for a whole lease, it is the write; an
    absence before does not count into it.
    """

    def __init__(self, database: Database, lease_seconds: float, drain: Drain, watchdog: Watchdog) -> None:
        """Of one worker."""
        self._database = database
        self._lease_seconds = lease_seconds
        self._drain = drain
        self._watchdog = watchdog

    def write(self, held: HeldJob, operation: Callable[[Session], Returned]) -> Returned:
        """Run an operation in a transaction, which must begin with the fence; errors as for `repeat`."""

        def once() -> Returned:
            with self._database.write() as session:
                return operation(session)

        return self.repeat(held, once)

    def read(self, held: HeldJob, operation: Callable[[Session], Returned]) -> Returned:
        """Run an operation in a transaction that only reads; errors as for `repeat`."""

        def once() -> Returned:
            with self._database.read() as session:
                return operation(session)

        return self.repeat(held, once)

    def repeat(self, held: HeldJob, operation: Callable[[], Returned]) -> Returned:
        """Run an operation until it succeeds; it must be safe to run twice.

        Raises:
            LeaseLostError: the job is not ours any more.
            DrainedError: the worker must go, and what is away has not come back.
            StorageError: and the database's own errors: it fails for another reason than being away.
        """
        pause = _FIRST_PAUSE_SECONDS
        failed_at: float | None = None
        while True:
            if held.lost:
                raise LeaseLostError(f"The job {held.id} is not this attempt's any more.")
            try:
                return operation()
            except LeaseLostError:
                held.lost = True
                raise
            except (*AWAY, StorageError) as error:
                if isinstance(error, StorageError) and not error.retryable:
                    raise
                now = held.clock()
                if failed_at is None or now - held.confirmed_at > _SILENCE * self._lease_seconds:
                    failed_at = now  # while no heartbeat gets through, it is not the write's own failure
                if held.confirmed_at > failed_at + self._lease_seconds:
                    raise
                if self._drain.over:
                    raise DrainedError("The database did not come back before the worker had to go.") from error
                _log.warning("waiting_for_database", job_id=held.id, error=error)
            self._watchdog.step()
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

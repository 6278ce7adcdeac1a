"""A hung device still sends heartbeats: a worker that finishes no step for too long ends itself."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from core import logs

STALLED_EXIT_CODE = 70
_log = logs.get_logger(__name__)


class Watchdog:
    """Counts the seconds since the last step, while there is work."""

    def __init__(
        self,
        stall_seconds: float,
        on_stall: Callable[[], None] = lambda: os._exit(STALLED_EXIT_CODE),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Asleep until there is work.

        Args:
            stall_seconds: without a step, after which the process ends.
            on_stall: ends it. Nothing milder will do: a thread that hangs in a driver cannot be stopped.
            clock: monotonic.
        """
        self.stall_seconds = stall_seconds
        self._on_stall = on_stall
        self._clock = clock
        self._last_step = clock()
        self._working = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no more."""
        self._stop.set()
        self._thread.join()

    def step(self) -> None:
        """A step was finished."""
        self._last_step = self._clock()

    @contextmanager
    def working(self) -> Iterator[None]:
        """There is work inside the block."""
        self.step()
        self._working = True
        try:
            yield
        finally:
            self._working = False

    @property
    def stalled(self) -> bool:
        """Whether there is work, and no step of it for too long."""
        return self._working and self._clock() - self._last_step > self.stall_seconds

    def give_up(self) -> None:
        """End the process: its device answers no more, and every job that it took would fail by that."""
        _log.error("device_lost")
        self._on_stall()

    def _watch(self) -> None:
        while not self._stop.wait(min(1.0, self.stall_seconds / 4)):
            if self.stalled:
                _log.error("worker_stalled", stall_seconds=self.stall_seconds)
                self._on_stall()
                return

"""Being asked to stop: the step in hand is finished, what is half done is stored, the jobs go back into the queue."""

import threading
import time
from collections.abc import Callable


class Drain:
    """Set once, by a signal's handler or by Celery; asked between steps."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Nobody has asked yet.

        Args:
            seconds: how long the worker may take from the moment it is asked.
            clock: monotonic.
        """
        self.seconds = seconds
        self._clock = clock
        self._event = threading.Event()
        self._until = float("inf")

    def request(self) -> None:
        """Ask; asking again changes nothing. Safe in a signal's handler."""
        if not self._event.is_set():
            self._until = self._clock() + self.seconds
            self._event.set()

    @property
    def requested(self) -> bool:
        """Whether somebody asked."""
        return self._event.is_set()

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return self._clock() >= self._until

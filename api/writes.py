"""Whether the database took writes lately: one that refuses them is not asked with every body that comes."""

import time
from collections.abc import Callable

REMEMBERED_SECONDS = 5.0
"""So long a refusal is taken to last; then the next request finds out."""


class Writes:
    """What one process knows of it; shared by all threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing was refused yet.

        Args:
            clock: monotonic.
        """
        self._clock = clock
        self._refused_until = 0.0

    def refused(self) -> None:
        """The database has just refused one."""
        self._refused_until = self._clock() + REMEMBERED_SECONDS

    @property
    def are_refused(self) -> bool:
        """Whether it did so a moment ago."""
        return self._clock() < self._refused_until

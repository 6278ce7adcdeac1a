"""Token buckets: so many requests a minute, as many at once, for each name."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace

WINDOW_SECONDS = 60
MOST_NAMES = 20_000
"""Buckets kept in memory, some megabytes. Of more, those that were used longest ago begin anew, full."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How full a bucket is.

    Attributes:
        allowed: whether what was asked for was in it, and was taken.
        remaining: whole tokens that are left.
        wait_seconds: until the next one; 0 where there are some.
        full_seconds: until it is full again.
    """

    allowed: bool
    remaining: int
    wait_seconds: float
    full_seconds: float


class Buckets:
    """One bucket a name, by the generic cell rate algorithm: a bucket is one number, when it would be full again."""

    def __init__(
        self, per_minute: int, most_names: int = MOST_NAMES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """All are full.

        Args:
            per_minute: tokens that a full bucket holds, and that come in within a minute; at least 1.
            most_names: buckets kept.
            clock: seconds, never backwards.
        """
        self.per_minute = per_minute
        self._seconds_each = WINDOW_SECONDS / per_minute
        self._most_names = most_names
        self._clock = clock
        self._full_at: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, name: str) -> Standing:
        """Take a token, where there is one."""
        with self._lock:
            now = self._clock()
            full_at = max(self._full_at.get(name, now), now) + self._seconds_each
            allowed = full_at - now <= WINDOW_SECONDS + 1e-9
            if allowed:
                self._full_at[name] = full_at
                self._full_at.move_to_end(name)
                if len(self._full_at) > self._most_names:
                    self._full_at.popitem(last=False)
            return self._standing(full_at - now - (0 if allowed else self._seconds_each), allowed=allowed)

    def look(self, name: str) -> Standing:
        """Whether there is a token, which stays."""
        with self._lock:
            now = self._clock()
            missing_seconds = max(self._full_at.get(name, now) - now, 0.0)
            standing = self._standing(missing_seconds, allowed=False)
            return replace(standing, allowed=standing.remaining > 0)

    def __len__(self) -> int:
        return len(self._full_at)

    def _standing(self, missing_seconds: float, *, allowed: bool) -> Standing:
        room_seconds = WINDOW_SECONDS - missing_seconds
        remaining = max(int((room_seconds + 1e-9) / self._seconds_each), 0)
        wait_seconds = 0.0 if remaining else self._seconds_each - room_seconds
        return Standing(allowed, remaining, wait_seconds, missing_seconds)

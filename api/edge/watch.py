"""Every open connection is looked at a few times within its deadlines: one timer for all of them.

Time is counted in ticks, not read off a clock: where this process itself could not look for a while, nobody is blamed.
"""

import asyncio
from collections import Counter
from typing import Protocol

from api.edge.limits import ConnectionLimits

_TOLD = 64
"""So many at once are told that they may not stay; each of them is an open file for a moment."""


class Watched(Protocol):
    """A connection."""

    def look(self, seconds: float) -> None:
        """So much time has passed; give it up where it takes too long."""
        ...


class Watch:
    """Of one server process."""

    def __init__(self, limits: ConnectionLimits) -> None:
        """Nobody is connected yet; the timer runs while somebody is."""
        self._limits = limits
        self._looked_at: set[Watched] = set()
        self._open: dict[Watched, str] = {}
        self._by_address: Counter[str] = Counter()
        self._timer: asyncio.TimerHandle | None = None

    def enter(self, connection: Watched, address: str) -> bool:
        """Note a connection.

        Args:
            connection: that was made.
            address: of its other end.

        Returns:
            Whether it may stay: False where there are too many, all in all or from that address.
        """
        self._looked_at.add(connection)
        if self._timer is None:
            self._schedule()
        most = self._limits.connections_per_address
        if len(self._open) >= self._limits.connections or (most and self._by_address[address] >= most):
            return False
        self._open[connection] = address
        self._by_address[address] += 1
        return True

    def leave(self, connection: Watched) -> None:
        """It is closed."""
        self._looked_at.discard(connection)
        address = self._open.pop(connection, None)
        if address is not None:
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]

    @property
    def crowded(self) -> bool:
        """Whether so many that may not stay are being told so that no more are told why they are cut."""
        return len(self._looked_at) - len(self._open) > _TOLD

    def _schedule(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._limits.tick_seconds, self._tick)

    def _tick(self) -> None:
        self._timer = None
        for connection in list(self._looked_at):
            connection.look(self._limits.tick_seconds)
        if self._looked_at:
            self._schedule()

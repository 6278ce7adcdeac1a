"""How many requests are worked on at once; the others wait a moment, or are refused before it costs anything.

What is refused costs little, and what is taken on is as fast as ever: without a limit every request of an overloaded
service is slow, and most of them are answered when nobody waits any more.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable

PATIENT_SECONDS = 0.25
"""A burst waits for its turn so long, unless a lane says otherwise."""
IMPATIENT_SECONDS = 0.01
"""More come than can be served: those who would wait anyway are told at once, while there are places for some."""
OVERLOAD_SECONDS = 1.0
"""It is an overload as long as somebody was refused so lately."""


class Lane:
    """So many at once. Of one event loop; nothing here may be called from other threads."""

    def __init__(
        self, most: int, patient_seconds: float = PATIENT_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Nobody is there.

        Args:
            most: worked on at once.
            patient_seconds: how long a burst waits.
            clock: seconds, never backwards.
        """
        self._most = most
        self._patient_seconds = patient_seconds
        self._clock = clock
        self._in_hand = 0
        self._waiting: deque[asyncio.Future[bool]] = deque()
        self._refused_at = -OVERLOAD_SECONDS

    @property
    def in_hand(self) -> int:
        """Requests that are worked on."""
        return self._in_hand

    @property
    def sheds(self) -> bool:
        """Whether there is an overload, and enough wait for every place that will be free."""
        return (
            self._in_hand >= self._most
            and len(self._waiting) > self._most // 4
            and self._clock() - self._refused_at < OVERLOAD_SECONDS
        )

    def enter_at_once(self) -> bool:
        """Take a place, where one is free."""
        if self._in_hand >= self._most:
            return False
        self._in_hand += 1
        return True

    async def enter_in_turn(self) -> bool:
        """Wait for a place, not for long; False where none came."""
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[bool] = loop.create_future()
        overloaded = self._clock() - self._refused_at < OVERLOAD_SECONDS
        timer = loop.call_later(IMPATIENT_SECONDS if overloaded else self._patient_seconds, self._refuse, turn)
        self._waiting.append(turn)
        try:
            return await turn
        except BaseException:  # stopped while it waited, perhaps with a place in hand already
            if turn.done() and not turn.cancelled() and turn.result():
                self.leave()
            raise
        finally:
            timer.cancel()

    def leave(self) -> None:
        """Give a place back: to whoever waits longest."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(True)
                return
        self._in_hand -= 1

    def _refuse(self, turn: asyncio.Future[bool]) -> None:
        if not turn.done():
            turn.set_result(False)
            self._refused_at = self._clock()
            if self._waiting and self._waiting[0] is turn:
                self._waiting.popleft()


class Place:
    """A request's own, given back once."""

    def __init__(self, lane: Lane) -> None:
        """It was taken already."""
        self._lane: Lane | None = lane

    def give_back(self) -> None:
        """The work is done, or what follows is waiting alone."""
        lane, self._lane = self._lane, None
        if lane is not None:
            lane.leave()


class Room:
    """For those who wait for what others do, and look now and then: as many as there are seats."""

    def __init__(self, most: int) -> None:
        """It is empty."""
        self._most = most
        self._taken = 0

    @property
    def is_full(self) -> bool:
        """Whether nobody may sit down."""
        return self._taken >= self._most

    def sit(self) -> bool:
        """Take a seat, where there is one; then `rise` at the end."""
        if self.is_full:
            return False
        self._taken += 1
        return True

    def rise(self) -> None:
        """Give it back."""
        self._taken -= 1

"""What is done to a service, and when: a pure function of the seed.

What is not in it, because nobody can repeat it: which job a worker is at when it is hit, how processes take turns.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from tests.chaos.orders import Action
from tests.chaos.steps import AFTER, BEFORE, ENTER, STEPS


class Kind(StrEnum):
    """A kind of fault."""

    KILL = "kill"
    """kill -9 of a worker, at any time."""
    POINT_KILL = "point_kill"
    """kill -9 of whichever worker reaches a named point."""
    ZOMBIE = "zombie"
    """SIGSTOP of a worker, beyond its lease, and SIGCONT."""
    POINT_ZOMBIE = "point_zombie"
    """The same, of whichever worker reaches a named point."""
    RESET = "reset"
    """A worker's connection is closed in the middle of its commit."""
    CUT = "cut"
    """The database server closes every connection."""
    DRAIN = "drain"
    """SIGTERM of a worker."""
    API_KILL = "api_kill"
    """kill -9 of the API."""
    REDIS_KILL = "redis_kill"
    """Killed, and started again at once."""
    REDIS_FLUSH = "redis_flush"
    REDIS_HANG = "redis_hang"
    """SIGSTOP, longer than every time limit of a client."""
    REDIS_ABSENT = "redis_absent"
    """Killed, and started again after a while."""
    POSTGRES_STOP = "postgres_stop"
    """Stopped in immediate mode, and started again after a while."""
    DISK_BLOBS = "disk_blobs"
    """No space where blobs lie: in the server mode, where the database keeps its tables."""
    DISK_HOME = "disk_home"
    """No space in HEIRLOOM_HOME: uploads on their way in, and the embedded database."""


_AWAY = (Kind.REDIS_HANG, Kind.REDIS_ABSENT, Kind.POSTGRES_STOP, Kind.DISK_BLOBS, Kind.DISK_HOME)
_BACK_SECONDS = 10.0


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
        at: seconds after the start.
        kind: of fault.
        choice: 0 … 1, says which of those that could be hit is hit.
        seconds: how long it lasts, or waits at its point; 0: it is over at once.
        point: where, of the kinds that wait at one.
        action: what is done there.
    """

    at: float
    kind: Kind
    choice: float
    seconds: float = 0.0
    point: str = ""
    action: Action | None = None


@dataclass(frozen=True)
class Pace:
    """How often each kind comes, and how long it lasts.

    Attributes:
        every: seconds between two faults of a kind, on average.
        zombie_seconds: the least that a worker stands still; somewhat longer than a lease.
        order_seconds: an order waits at its point; were many there, no job would come beyond the first.
        hang_seconds: of Redis.
        absent_seconds: of Redis.
        postgres_seconds: of Postgres.
        disk_seconds: without space.
    """

    every: Mapping[Kind, float]
    zombie_seconds: float
    order_seconds: float = 12.0
    hang_seconds: float = 6.0
    absent_seconds: float = 8.0
    postgres_seconds: float = 3.0
    disk_seconds: float = 3.0


def plan(seed: int, seconds: float, pace: Pace) -> tuple[Fault, ...]:
    """Every fault of a campaign, in order of time.

    Args:
        seed: of everything.
        seconds: how long.
        pace: of the kinds; one that is not named does not come.
    """
    faults = [
        fault
        for kind, every in pace.every.items()
        for fault in _of_kind(random.Random(f"{seed}:{kind}"), kind, every, seconds, pace)
    ]
    return tuple(sorted(faults, key=lambda fault: (fault.at, fault.kind)))


def _of_kind(dice: random.Random, kind: Kind, every: float, seconds: float, pace: Pace) -> Iterator[Fault]:
    points = _points(dice, kind)
    at = dice.uniform(0.0, every)
    while at < seconds:
        point, action = next(points)
        lasts = _lasts(dice, kind, pace)
        yield Fault(round(at, 3), kind, dice.random(), lasts, point, action)
        # At least a tenth apart, two that fall together would be one; what is stopped is back for a while in between.
        at += every * (0.1 + 0.9 * dice.expovariate(1.0)) + (lasts + _BACK_SECONDS if kind in _AWAY else 0.0)


def _lasts(dice: random.Random, kind: Kind, pace: Pace) -> float:
    least = {
        Kind.ZOMBIE: pace.zombie_seconds,
        Kind.POINT_KILL: pace.order_seconds,
        Kind.POINT_ZOMBIE: pace.order_seconds,
        Kind.RESET: pace.order_seconds,
        Kind.REDIS_HANG: pace.hang_seconds,
        Kind.REDIS_ABSENT: pace.absent_seconds,
        Kind.POSTGRES_STOP: pace.postgres_seconds,
        Kind.DISK_BLOBS: pace.disk_seconds,
        Kind.DISK_HOME: pace.disk_seconds,
    }.get(kind, 0.0)
    return round(least * dice.uniform(1.0, 1.3), 3)


def _points(dice: random.Random, kind: Kind) -> Iterator[tuple[str, Action | None]]:
    """The points of a kind in an order of their own, again and again: each comes as often as the others."""
    moments, actions = {
        Kind.POINT_KILL: ((BEFORE, AFTER), (Action.KILL,)),
        Kind.POINT_ZOMBIE: ((ENTER, BEFORE), (Action.STOP,)),
        Kind.RESET: ((BEFORE,), (Action.CUT, Action.ANSWER_LOST)),
    }.get(kind, ((), ()))
    round_ = [(f"{step}:{moment}", action) for step in STEPS for moment in moments for action in actions]
    while True:
        if not round_:
            yield "", None
            continue
        dice.shuffle(round_)
        yield from round_


def named_points() -> tuple[str, ...]:
    """Every point at which workers are killed."""
    return tuple(f"{step}:{moment}" for step in STEPS for moment in (BEFORE, AFTER))

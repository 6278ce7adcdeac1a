"""What a route asks for before its body is read."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

Body = Literal["none", "json", "photo", "upload", "album"]
"""Which limit holds for the body: nothing is read, JSON, a photo, any file, an album."""
_ATTRIBUTE = "__guard__"
_Route = TypeVar("_Route", bound=Callable[..., Any])


@dataclass(frozen=True)
class Guard:
    """What a route asks for.

    Attributes:
        body: which limit holds for it.
        queues: it puts a job into the queue, so that there must be room.
        stores: it keeps what was sent, so that there must be disk space.
        spools: what is sent lies on this machine's disk first.
        keeps: its answer is kept for a repetition with the same Idempotency-Key; not where nothing is changed.
        public: it needs no caller.
    """

    body: Body = "json"
    queues: bool = False
    stores: bool = False
    spools: bool = False
    keeps: bool = True
    public: bool = False

    def writes(self, method: str) -> bool:
        """Whether a call with this HTTP method changes anything."""
        return method != "GET" and self.keeps


def guarded(guard: Guard) -> Callable[[_Route], _Route]:
    """Say what a route asks for."""

    def mark(route: _Route) -> _Route:
        setattr(route, _ATTRIBUTE, guard)
        return route

    return mark


def guard_of(route: Callable[..., Any]) -> Guard:
    """What a route asks for."""
    found: Guard = getattr(route, _ATTRIBUTE, Guard())
    return found

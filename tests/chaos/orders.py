"""Orders that wait at a named point: whichever worker reaches it first takes the order, and carries it out on itself.

An order is a file whose name is the point; taking it is a rename, which one process alone wins. So orders reach workers
however they were started, and cost those that find none a look at a folder in memory.
"""

import json
import os
import signal
import socket
import threading
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from sqlalchemy import Connection


class Action(StrEnum):
    """What a worker does to itself."""

    KILL = "kill"
    STOP = "stop"
    """SIGSTOP; somebody else lets it go on."""
    CUT = "cut"
    """Its connection is closed instead of COMMIT being sent."""
    ANSWER_LOST = "answer_lost"
    """COMMIT is sent, and the connection closed before its answer comes."""


@dataclass(frozen=True)
class Taken:
    """An order that was carried out."""

    at: float
    point: str
    action: Action
    pid: int


class Orders:
    """Of one campaign: a folder that its processes share."""

    def __init__(self, folder: Path) -> None:
        self._lock = threading.Lock()
        self._waiting = folder / "waiting"
        self._taken = folder / "taken.jsonl"
        self._waiting.mkdir(parents=True, exist_ok=True)

    def give(self, point: str, action: Action) -> bool:
        """Have the next worker at a point do this; False where an order waits there already."""
        with self._lock:
            place = self._waiting / point
            if place.exists():
                return False
            beside = self._waiting / f".{point}"
            beside.write_text(action)
            beside.rename(place)
            return True

    def take_back(self, point: str) -> bool:
        """Forget one; False where it was taken."""
        try:
            (self._waiting / point).unlink()
        except FileNotFoundError:
            return False
        return True

    def withdraw(self) -> None:
        """Forget those that nobody has taken."""
        for place in self._waiting.iterdir():
            place.unlink(missing_ok=True)

    def taken(self) -> list[Taken]:
        """What was carried out, oldest first."""
        if not self._taken.exists():
            return []
        values = [json.loads(line) for line in self._taken.read_text().splitlines()]
        return [Taken(value["at"], value["point"], Action(value["action"]), value["pid"]) for value in values]

    def reach(self, point: str, connection: Connection | None) -> None:
        """In a worker: it is at a point; see `tests.chaos.steps.Reach`."""
        place = self._waiting / point
        if not place.exists():
            return
        mine = self._waiting / f".{point}.{os.getpid()}.{time.monotonic_ns()}"
        try:
            place.rename(mine)
        except FileNotFoundError:  # another one was faster
            return
        action = Action(mine.read_text())
        mine.unlink()
        line = json.dumps({"at": time.time(), "point": point, "action": action, "pid": os.getpid()})
        with self._taken.open("a") as file:
            file.write(f"{line}\n")
        _carry_out(action, connection)


def _carry_out(action: Action, connection: Connection | None) -> None:
    if action is Action.KILL:
        os.kill(os.getpid(), signal.SIGKILL)
    elif action is Action.STOP:
        os.kill(os.getpid(), signal.SIGSTOP)
    elif connection is not None and connection.dialect.name == "postgresql":
        _hang_up(connection.connection.dbapi_connection, commits=action is Action.ANSWER_LOST)


def _hang_up(driver: Any, *, commits: bool) -> None:
    wire = driver.pgconn
    if commits:
        wire.send_query(b"COMMIT")
        while wire.flush():
            time.sleep(0.001)
    with socket.socket(fileno=os.dup(wire.socket)) as own:
        own.shutdown(socket.SHUT_RDWR)

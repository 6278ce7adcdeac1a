"""What was done to whom, line by line on disk: by it a lost lease is known to be a fault's work."""

import json
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.chaos.plan import Kind


@dataclass(frozen=True)
class Done:
    """A fault that was carried out.

    Attributes:
        kind: of fault.
        at: when it began, seconds since 1970.
        until: when it was over.
        pid: of the worker that it hit; 0: none.
        point: where it waited for one.
    """

    kind: Kind
    at: float
    until: float
    pid: int = 0
    point: str = ""


class Journal:
    """Of one campaign."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        self.done: list[Done] = []
        self.missed: Counter[Kind] = Counter()
        self.problems: list[str] = []

    def note(self, kind: Kind, at: float, pid: int = 0, point: str = "") -> None:
        """It was done, and is over now."""
        done = Done(kind, at, time.time(), pid, point)
        with self._lock:
            self.done.append(done)
            with self._file.open("a") as file:
                file.write(f"{json.dumps(asdict(done))}\n")

    def miss(self, kind: Kind) -> None:
        """There was nobody to be hit."""
        with self._lock:
            self.missed[kind] += 1

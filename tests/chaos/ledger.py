"""The outside ledger: what the client asked for, and what it was told, line by line on disk."""

import json
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Entry:
    """One thing that was asked for.

    Attributes:
        key: its Idempotency-Key.
        kind: of work.
        seed: unique: by it the database knows the request again.
        job_id: of the accepted one; empty: it was refused, or no answer came.
        asked_at: first.
        accepted_at: when the 202 came.
        may_fail: codes of errors by which its job may fail.
        cancelled: whether it was asked to stop.
        waits: whether it needs another job's checkpoint.
        answers: statuses that came, in order; 0: the connection broke.
    """

    key: str
    kind: str
    seed: int
    asked_at: float
    job_id: str = ""
    accepted_at: float = 0.0
    may_fail: tuple[str, ...] = ()
    cancelled: bool = False
    waits: bool = False
    answers: list[int] = field(default_factory=list)


class Ledger:
    """Of one campaign."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        self.entries: dict[str, Entry] = {}
        self.slowest: dict[str, float] = {}

    def ask(self, entry: Entry) -> None:
        """Written before the request is sent."""
        with self._lock:
            self.entries[entry.key] = entry
        self._write("asked", entry, kind=entry.kind, seed=entry.seed)

    def answer(self, entry: Entry, status: int, code: str = "") -> None:
        """An answer came, or none."""
        entry.answers.append(status)
        self._write("answered", entry, status=status, code=code)

    def accept(self, entry: Entry, job_id: str) -> None:
        """From here on the job must end."""
        entry.job_id, entry.accepted_at = job_id, time.time()
        self._write("accepted", entry, job_id=job_id)

    def cancel(self, entry: Entry) -> None:
        """Written before it is asked for."""
        entry.cancelled = True
        self._write("cancelled", entry)

    @property
    def accepted(self) -> list[Entry]:
        """What must have ended."""
        with self._lock:
            return [entry for entry in self.entries.values() if entry.job_id]

    def _write(self, what: str, entry: Entry, **more: Any) -> None:
        line = json.dumps({"at": round(time.time(), 3), "what": what, "key": entry.key, **more})
        with self._lock, self._file.open("a") as file:
            file.write(f"{line}\n")

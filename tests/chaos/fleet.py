"""The workers of a campaign: as many as wanted, each replaced as soon as it has ended."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

START_SECONDS = 60.0
STOP_SECONDS = 60.0


@dataclass(frozen=True)
class Ended:
    """A worker's end.

    Attributes:
        at: when.
        pid: whose.
        code: its exit code; −n: by signal n.
    """

    at: float
    pid: int
    code: int


class Fleet(Protocol):
    """Workers, however they were started."""

    ended: list[Ended]

    def alive(self) -> list[int]:
        """Pids, oldest first."""
        ...

    def send(self, pid: int, number: signal.Signals) -> None:
        """A signal to a worker; nothing where it has ended."""
        ...

    def close(self) -> None:
        """Drain them all, and see them end."""
        ...


@dataclass
class ForkedFleet:
    """Bare loops, forked by a zygote.

    Attributes:
        count: so many at any time.
        environment: of the zygote, and so of every worker.
        log: where workers write.
        born: when each came, by pid.
        ended: those that have ended.
    """

    count: int
    environment: Mapping[str, str]
    log: Path
    born: dict[int, float] = field(default_factory=dict)
    ended: list[Ended] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._closing = False
        self._lock = threading.Lock()
        with self.log.open("ab") as output:
            self._zygote = subprocess.Popen(  # our own module
                [sys.executable, "-m", "tests.chaos.zygote"],
                env=dict(self.environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                process_group=0,
            )
        threading.Thread(target=self._listen, name="fleet", daemon=True).start()
        for _ in range(self.count):
            self._fork()
        deadline = time.monotonic() + START_SECONDS
        while len(self.born) < self.count:
            if self._zygote.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the workers did not start; {self.log} says why")
            time.sleep(0.05)

    def alive(self) -> list[int]:
        """See `Fleet.alive`."""
        with self._lock:
            gone = {one.pid for one in self.ended[-1000:]}
            return [pid for pid in list(self.born)[-1000:] if pid not in gone]

    def send(self, pid: int, number: signal.Signals) -> None:
        """See `Fleet.send`."""
        self._command({"pid": pid, "signal": int(number)})

    def close(self) -> None:
        """See `Fleet.close`."""
        self._closing = True
        for pid in self.alive():
            self.send(pid, signal.SIGCONT)
            self.send(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while self.alive() and time.monotonic() < deadline:
            time.sleep(0.05)
        if self._zygote.stdin is not None:
            self._zygote.stdin.close()  # it kills what is left
        self._zygote.wait(timeout=STOP_SECONDS)

    def _fork(self) -> None:
        self._command({"fork": str(self.log)})

    def _command(self, command: Mapping[str, object]) -> None:
        pipe = self._zygote.stdin
        if pipe is None:
            return
        with self._lock:
            try:
                os.write(pipe.fileno(), json.dumps(command).encode() + b"\n")
            except (BrokenPipeError, ValueError):
                return

    def _listen(self) -> None:
        pipe = self._zygote.stdout
        if pipe is None:
            return
        for line in pipe:
            event = json.loads(line)
            with self._lock:
                if "born" in event:
                    self.born[event["born"]] = time.time()
                    continue
                self.ended.append(Ended(time.time(), event["ended"], event["code"]))
            if not self._closing:
                self._fork()

"""Workers as `heirloom worker` starts them: Celery's parent, and the child in which the claim loop runs."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tests.chaos.fleet import STOP_SECONDS, Ended

START_SECONDS = 120.0
_HEIRLOOM = (
    "from worker.app import app; app.conf.update(include=[*app.conf.include, 'tests.chaos.celery_hooks']); "
    "from cli.main import main; main()"
)
_LOOK_SECONDS = 0.2


class CeleryFleet:
    """See `Fleet`: its pids are those of the children, which hold the jobs; a drained parent is begun again."""

    def __init__(self, count: int, environment: Mapping[str, str], log: Path) -> None:
        self.ended: list[Ended] = []
        self._environment = dict(environment)
        self._log = log
        self._closing = threading.Event()
        self._parents = [self._start(number) for number in range(count)]
        deadline = time.monotonic() + START_SECONDS
        while log.read_text().count('"worker_started"') < count:
            if time.monotonic() > deadline:
                raise RuntimeError(f"the workers did not start; {log} says why")
            time.sleep(_LOOK_SECONDS)
        self._keeper = threading.Thread(target=self._keep, name="celery-keeper", daemon=True)
        self._keeper.start()

    def alive(self) -> list[int]:
        """See `Fleet.alive`."""
        return sorted(pid for parent in self._parents for pid in _children(parent.pid))

    def send(self, pid: int, number: signal.Signals) -> None:
        """To the child; SIGTERM to its parent, which drains it."""
        parent = next((one for one in self._parents if pid in _children(one.pid)), None)
        if parent is not None:
            with suppress(ProcessLookupError):
                os.kill(parent.pid if number is signal.SIGTERM else pid, number)

    def close(self) -> None:
        """See `Fleet.close`."""
        self._closing.set()
        self._keeper.join()
        for parent in self._parents:
            if parent.poll() is None:
                parent.send_signal(signal.SIGTERM)
        for parent in self._parents:
            try:
                parent.wait(timeout=STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(parent.pid, signal.SIGKILL)
                parent.wait()

    def _start(self, number: int) -> subprocess.Popen[bytes]:
        station = {"HEIRLOOM_WORKER_STATION": f"chaos-{number}-{time.time_ns()}"}
        with self._log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603  # our own command
                [sys.executable, "-c", _HEIRLOOM, "worker"],
                env=self._environment | station,
                stdout=log,
                stderr=log,
                process_group=0,
            )

    def _keep(self) -> None:
        while not self._closing.wait(_LOOK_SECONDS):
            for number, parent in enumerate(self._parents):
                if parent.poll() is not None:
                    self.ended.append(Ended(time.time(), parent.pid, parent.returncode))
                    self._parents[number] = self._start(number)


def _children(parent: int) -> list[int]:
    """Celery's children among a parent's: not the process that keeps count of its resources."""
    found = []
    with suppress(OSError):
        for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
            with suppress(OSError):
                if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text():
                    found.append(int(pid))
    return found

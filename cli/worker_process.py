"""The embedded mode's worker: a process of its own, begun again when it dies, drained at the end."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

from core import logs

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
STEADY_SECONDS = 60.0
"""One that lived so long was no false start: the next pause is the first again."""
FORCE_AFTER_SECONDS = 15.0
"""Beyond the drain's own limit."""

_log = logs.get_logger(__name__)


class WorkerProcess:
    """Keeps one worker running.

    It leads a session of its own, so that the terminal's Ctrl-C reaches this process alone, which then drains it.
    """

    def __init__(self, module: str, drain_seconds: float, first_pause_seconds: float = FIRST_PAUSE_SECONDS) -> None:
        """Nothing is started yet.

        Args:
            module: run as `python -m MODULE`.
            drain_seconds: how long it may take to stop.
            first_pause_seconds: before it is begun again; twice as long each further time.
        """
        self._module = module
        self._force_after_seconds = drain_seconds + FORCE_AFTER_SECONDS
        self._first_pause_seconds = first_pause_seconds
        self._stopping = threading.Event()
        self._lock = threading.RLock()  # a signal's handler may come while this thread holds it
        self._process: subprocess.Popen[bytes] | None = None
        self._keeper = threading.Thread(target=self._keep, name="worker-keeper", daemon=True)

    @property
    def pid(self) -> int | None:
        """Of the process that runs now."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def start(self) -> None:
        """Begin, and begin again whenever it ends."""
        self._keeper.start()

    def stop(self) -> None:
        """Drain it: it finishes its step, gives its jobs back, and ends; by force where that takes too long."""
        self._signal(signal.SIGTERM)
        if self._keeper.ident is not None:
            self._keeper.join(self._force_after_seconds)
            if self._keeper.is_alive():
                _log.warning("worker_did_not_drain", seconds=self._force_after_seconds)
                self.kill()
                self._keeper.join()

    def kill(self) -> None:
        """End it now, and whatever it started."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        self._stopping.set()
        with self._lock:
            pid = self.pid
            if pid is None:
                return
            with suppress(ProcessLookupError):  # it has just ended by itself
                # SIGTERM is for the worker, which knows what to do with its own children.
                (os.killpg if number is signal.SIGKILL else os.kill)(pid, number)

    def _keep(self) -> None:
        pause = self._first_pause_seconds
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                code = self._run_once()
            except OSError as error:  # no memory or no process left: as if it had died
                _log.error("worker_not_started", error=error, reason=error.strerror)
                code = None
            if self._stopping.is_set():
                return
            if time.monotonic() - began >= STEADY_SECONDS:
                pause = self._first_pause_seconds
            _log.error("worker_ended", exit_code=code, starting_again_in_seconds=pause)
            self._stopping.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _run_once(self) -> int | None:
        reading, writing = os.pipe()  # closes with this process, whatever ends it: see cli/child.py
        # -P: a folder named cli or worker where we were started is not ours.
        command = [sys.executable, "-P", "-m", "cli.child", str(reading), str(self._force_after_seconds), self._module]
        try:
            with self._lock:
                if self._stopping.is_set():
                    return None
                self._process = subprocess.Popen(  # noqa: S603  # our own module
                    command, stdin=subprocess.DEVNULL, pass_fds=(reading,), start_new_session=True
                )
            _log.info("worker_started", pid=self._process.pid)
            return self._process.wait()
        finally:
            os.close(reading)
            os.close(writing)

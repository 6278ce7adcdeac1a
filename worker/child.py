"""The worker inside Celery's child: a thread that claims, rung by the doorbell's task, drained when the child ends."""

import os
import threading
import time

from core import logs
from core.domain.errors import HeirloomError
from core.settings import Settings
from worker.process import WorkerProcess

CANNOT_START_EXIT_CODE = 71
PAUSE_SECONDS = 5.0
_log = logs.get_logger(__name__)


class Child:
    """The one worker of this process."""

    def __init__(self, settings: Settings) -> None:
        """Open its device and database.

        Raises:
            HeirloomError: it cannot start.
        """
        self.worker = WorkerProcess(settings)
        self._drain_seconds = settings.drain_seconds
        self._thread = threading.Thread(target=self._work, name="claim-loop", daemon=True)

    def start(self) -> None:
        """Begin to claim."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the step in hand, and give the jobs back; where it takes too long, give them back without it."""
        self.worker.stop()
        self._thread.join(self._drain_seconds)
        if self._thread.is_alive():
            _log.error("drain_took_too_long", drain_seconds=self._drain_seconds)
            self.worker.runner.hand_back()

    def _work(self) -> None:
        try:
            with self.worker:
                self.worker.run()
        except BaseException:
            # A child whose loop has died would look alive and do nothing: Celery starts another.
            _log.exception("claim_loop_died")
            _end_this_process()


def _end_this_process() -> None:
    time.sleep(PAUSE_SECONDS)  # Celery starts the next at once: what cannot start shall not take a whole processor
    os._exit(CANNOT_START_EXIT_CODE)


_child: Child | None = None


def start(settings: Settings) -> None:
    """Start this process's worker; where it cannot, the process ends and says why."""
    global _child  # Celery gives its signals and its tasks no place to keep something
    try:
        _child = Child(settings)
    except HeirloomError as error:
        _log.error("worker_cannot_start", code=error.code, detail=error.message, advice=error.advice)
        _end_this_process()
        return
    _child.start()


def ring() -> None:
    """Wake the claim loop, where there is one."""
    if _child is not None:
        _child.worker.loop.ring()


def stop() -> None:
    """Drain this process's worker, where there is one."""
    if _child is not None:
        _child.stop()

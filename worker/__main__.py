"""The bare loop: `python -m worker`, without a broker."""

import os
import signal
import sys
import threading
from collections.abc import Callable

from core import logs
from core.domain.errors import HeirloomError
from core.settings import Settings, read_settings
from worker.process import WorkerProcess

_GRACE_SECONDS = 5.0
_log = logs.get_logger(__name__)


def run_worker(settings: Settings) -> None:
    """Work in this process until SIGTERM or Ctrl-C; asked twice, it ends at once.

    Raises:
        HeirloomError: it cannot start.
    """
    worker = WorkerProcess(settings)

    def on_signal(number: int, _frame: object) -> None:
        if worker.drain.requested:
            os._exit(128 + number)
        worker.stop()
        # A step may take longer than a drain: the jobs go back all the same, and another goes on from what is stored.
        _in(settings.drain_seconds, worker.runner.hand_back)
        _in(settings.drain_seconds + _GRACE_SECONDS, os._exit, 1)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    with worker:
        worker.run()


def _in(seconds: float, action: Callable[..., object], *arguments: object) -> None:
    timer = threading.Timer(seconds, action, arguments)
    timer.daemon = True
    timer.start()


def main() -> int:
    """From the environment; the exit code."""
    try:
        settings = read_settings()
        logs.configure(settings.log_driver, settings.log_level, settings.secrets)
        run_worker(settings)
    except HeirloomError as error:
        print(f"The worker cannot start. {error}", file=sys.stderr)  # noqa: T201  # to the operator, before any log
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

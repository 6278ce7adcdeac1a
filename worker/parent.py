"""Celery's parent process: it has no torch, and one duty of ours, to have a child even while the broker is away."""

import os
import signal
import sys
from typing import Any

from celery.bootsteps import RUN
from celery.worker import state

from core import logs

_log = logs.get_logger(__name__)


def keep_a_child(celery_worker: Any) -> None:  # noqa: ANN401  # Celery's WorkController, which has no types
    """Begin anew where the child ends while there is no connection to the broker.

    Celery replaces its children in its event loop, which runs only while there is a connection: with a broker that is
    away, a worker whose child was killed would do nothing until it comes back. So this process replaces itself by
    itself, under the same id. It happens in the main thread, which at that time does nothing but try to connect.

    Args:
        celery_worker: the one of this process.
    """

    def on_child_end(_number: int, _frame: object) -> None:
        consumer = celery_worker.consumer
        connected = consumer is None or consumer.connection is not None
        stopping = celery_worker.blueprint.state != RUN or state.should_stop not in (None, False)
        if connected or stopping or state.should_terminate not in (None, False):
            return
        _log.warning("begun_anew_without_broker")
        os.waitpid(-1, os.WNOHANG)
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606  # our own command line

    signal.signal(signal.SIGCHLD, on_child_end)

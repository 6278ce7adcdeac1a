"""What is told of requests that were refused before the application saw them."""

import time

from api.metrics import Metrics
from core import logs

_SAID_EVERY_SECONDS = 5.0
_log = logs.get_logger(__name__)


class Refusals:
    """Counts each; but of thousands one line: an overload must not fill the log as well."""

    def __init__(self, metrics: Metrics) -> None:
        """None yet."""
        self._metrics = metrics
        self._count = 0
        self._said_at = -_SAID_EVERY_SECONDS

    def note(self, method: str, status: int) -> None:
        """One was refused."""
        self._metrics.answered(method, None, status, 0.0)
        self._count += 1
        now = time.monotonic()
        if now - self._said_at >= _SAID_EVERY_SECONDS:
            _log.warning("refused_at_the_gate", status=status, since_last_line=self._count)
            self._said_at, self._count = now, 0

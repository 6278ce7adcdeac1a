"""The doorbell over Celery: one thread rings, so that no request ever waits for a broker."""

import threading

from core import logs
from core.broker import QUEUE, RING_EXPIRES_SECONDS, TASK_NAME, celery_options

_log = logs.get_logger(__name__)


class CeleryDoorbell:
    """Rings the workers. Several rings at once are one; one that fails is forgotten, for the workers poll too."""

    def __init__(self, broker_url: str) -> None:
        """Start the thread; the broker is not asked yet.

        Args:
            broker_url: `redis://…`; never shown.
        """
        self._broker_url = broker_url
        self._wanted = threading.Event()
        threading.Thread(target=self._serve, name="doorbell", daemon=True).start()

    def ring(self) -> None:
        """See `core.services.doorbell.Doorbell.ring`."""
        self._wanted.set()

    def _serve(self) -> None:
        from celery import Celery  # here: importing it takes a tenth of the API's start, and nobody has to wait for it

        app = Celery("heirloom", set_as_current=False)
        app.conf.update(celery_options(self._broker_url))
        while True:
            self._wanted.wait()
            self._wanted.clear()
            try:
                app.send_task(TASK_NAME, queue=QUEUE, expires=RING_EXPIRES_SECONDS, ignore_result=True, retry=False)
            except Exception as error:  # kombu's, redis's and the socket's: none of them matters here
                _log.warning("doorbell_failed", error=error)

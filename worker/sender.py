"""A thread that sends webhooks: every worker has one, and they share the deliveries as they share jobs."""

import queue
import threading

from sqlalchemy.exc import SQLAlchemyError

from core import logs
from core.db.session import Database
from core.services.delivering import Parcel, collect, note
from core.webhooks.outbound import Outbound, Outcome

LOOK_SECONDS = 2.0
_log = logs.get_logger(__name__)


class Sender:
    """Of one worker."""

    def __init__(self, database: Database, outbound: Outbound, look_seconds: float = LOOK_SECONDS) -> None:
        """Bind.

        Args:
            database: the outbox and the deliveries.
            outbound: how other servers are reached.
            look_seconds: between looks, while there is nothing to send.
        """
        self._database = database
        self._outbound = outbound
        self._every = look_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send_on, name="webhooks", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End at once: what is on its way may arrive, and is sent again by another worker."""
        self._stop.set()
        self._thread.join()

    def send(self) -> int:
        """One round: send what is due, all at once, and write down what became of it; how many there were.

        Raises:
            SQLAlchemyError: the database is away; what was sent meanwhile will be sent again.
        """
        parcels = collect(self._database)
        done: queue.SimpleQueue[tuple[Parcel, Outcome]] = queue.SimpleQueue()
        for parcel in parcels:
            threading.Thread(target=self._post, args=(parcel, done), name="webhook", daemon=True).start()
        for _ in parcels:
            ended = self._next(done)
            if ended is None:
                break
            parcel, outcome = ended
            status = note(self._database, parcel, outcome)
            _log.info(
                "webhook_sent",
                delivery_id=parcel.delivery_id,
                attempt=parcel.attempt,
                answer=outcome.status,
                code=outcome.code,
                status=str(status),
            )
        return len(parcels)

    def _post(self, parcel: Parcel, done: "queue.SimpleQueue[tuple[Parcel, Outcome]]") -> None:
        try:
            outcome = self._outbound.post(parcel.address, parcel.headers, parcel.body)
        except Exception:  # a fault of ours is no reason to hold up the others
            _log.exception("webhook_attempt_failed", delivery_id=parcel.delivery_id)
            outcome = Outcome(code="internal_error")
        done.put((parcel, outcome))

    def _next(self, done: "queue.SimpleQueue[tuple[Parcel, Outcome]]") -> tuple[Parcel, Outcome] | None:
        while not self._stop.is_set():
            try:
                return done.get(timeout=0.2)
            except queue.Empty:
                continue
        return None

    def _send_on(self) -> None:
        while not self._stop.wait(self._every):
            try:
                while self.send() and not self._stop.is_set():
                    pass
            except SQLAlchemyError as error:
                _log.warning("sender_missed", error=error)
            except Exception:  # the next round may succeed
                _log.exception("sender_failed")

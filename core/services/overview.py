"""The service as a whole: its queue and its workers, without whose jobs they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from core.db import outlook, queue, workers
from core.db.session import now_of
from core.db.tables import Worker
from core.services.terms import Terms


@dataclass(frozen=True)
class Overview:
    """At one moment.

    Attributes:
        queued: jobs that wait.
        running: jobs in workers' hands.
        workers: those that were heard of lately.
        now: by the database's clock.
    """

    queued: int
    running: int
    workers: Sequence[Worker]
    now: datetime


def overview(session: Session, terms: Terms) -> Overview:
    """Ask the database."""
    return Overview(
        queued=queue.depth(session),
        running=len(outlook.running(session)),
        workers=workers.alive(session, terms.worker_life),
        now=now_of(session),
    )

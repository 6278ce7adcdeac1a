"""The service as a whole: its queue and its workers, without whose jobs they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from core.db import jobs, outlook, queue, usage, workers
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
        own_open_jobs: of the caller, queued and running.
        own_compute_seconds: that workers have computed for the caller today.
    """

    queued: int
    running: int
    workers: Sequence[Worker]
    now: datetime
    own_open_jobs: int
    own_compute_seconds: float


def overview(session: Session, owner_id: str, terms: Terms) -> Overview:
    """Ask the database; whose limits are told is `owner_id`."""
    now = now_of(session)
    return Overview(
        queued=queue.depth(session),
        running=len(outlook.running(session)),
        workers=workers.alive(session, terms.worker_life),
        now=now,
        own_open_jobs=jobs.count_open(session, owner_id),
        own_compute_seconds=usage.of_today(session, owner_id, now),
    )

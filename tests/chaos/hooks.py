"""What a worker of a campaign has beside production's code: named points, a name for its writes, shorter pauses.

Imported by Celery's child (`include`), called by the forked workers.
"""

import os
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import event, select, update
from sqlalchemy.orm import Session
from sqlalchemy.pool import Pool

from core.db import queue
from core.db.tables import Job
from core.domain import job
from core.domain.errors import LeaseLostError
from core.pipeline import chain
from core.pipeline.stages import tune
from tests.chaos import steps
from tests.chaos.orders import Orders

FOLDER, BACKOFF, WITHOUT_FENCE = "CHAOS_FOLDER", "CHAOS_BACKOFF", "CHAOS_WITHOUT_FENCE"
"""Variables: where the orders are; seconds before a job whose worker died is taken again, for the first time; whether
the fence and the heartbeat look at the job's status alone, and not at the attempt."""
WRITER = "chaos.writer"
"""A setting of a connection to Postgres: the pid of who writes."""
_SAVED_EVERY_SECONDS = 0.05


def install() -> None:
    """Once in a process, before there is a worker."""
    steps.install(Orders(Path(os.environ[FOLDER])).reach)
    event.listen(Pool, "connect", _sign)
    if os.environ.get(WITHOUT_FENCE):
        queue.fenced, queue.heartbeat = _fenced_by_status, _always_alive  # type: ignore[assignment]
    job._BACKOFF_SECONDS = float(os.environ[BACKOFF])
    # As if the tiny jobs were long ones: their states are stored while they run.
    chain.SAVE_EVERY_SECONDS = _SAVED_EVERY_SECONDS
    tune.finetune = partial(tune.finetune, save_every_seconds=_SAVED_EVERY_SECONDS)  # type: ignore[assignment]


def _fenced_by_status(session: Session, job_id: str, _attempt: int, **columns: Any) -> Job:
    held = select(Job).where(Job.id == job_id, Job.status == "running").with_for_update()
    row = session.scalars(held.execution_options(populate_existing=True)).first()
    if row is None:
        raise LeaseLostError("It does not run.")
    for name, value in columns.items():
        setattr(row, name, value)
    session.flush()
    return row


def _always_alive(session: Session, job_id: str, _attempt: int, lease: timedelta) -> queue.Heartbeat:
    now = queue.now_of(session)
    session.execute(update(Job).where(Job.id == job_id, Job.status == "running").values(lease_until=now + lease))
    return queue.Heartbeat(alive=True)


def _sign(connection: Any, _record: Any) -> None:
    if hasattr(connection, "pgconn"):
        connection.execute(f"SET {WRITER} = '{os.getpid()}'")
        connection.commit()

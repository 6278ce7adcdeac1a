"""The processes that take jobs, and when each was seen last."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.orm import Session

from core.db.session import now_of
from core.db.tables import Worker

GONE = "gone"


def register(session: Session, worker: Worker) -> Worker:
    """A worker has started; told twice, because the first answer got lost, it has started once."""
    known = session.merge(worker)
    session.flush()
    return known


def seen(session: Session, worker_id: str, state: str, job_ids: Sequence[str], metrics: Mapping[str, Any]) -> None:
    """A sign of life."""
    session.execute(
        update(Worker)
        .where(Worker.id == worker_id)
        .values(state=state, job_ids=list(job_ids), metrics=dict(metrics), last_seen_at=now_of(session))
    )


def alive(session: Session, within: timedelta) -> Sequence[Worker]:
    """Workers that were seen in the last `within` and have not said goodbye, by name."""
    return session.scalars(select(Worker).where(*_alive(session, within)).order_by(Worker.name)).all()


def count_alive(session: Session, within: timedelta) -> int:
    """How many workers were seen in the last `within` and have not said goodbye."""
    return session.scalar(select(func.count()).select_from(Worker).where(*_alive(session, within))) or 0


def forget_before(session: Session, moment: datetime) -> None:
    """Drop the rows of workers that were last seen before a moment."""
    session.execute(delete(Worker).where(Worker.last_seen_at < moment))


def _alive(session: Session, within: timedelta) -> tuple[ColumnElement[bool], ...]:
    return Worker.last_seen_at > now_of(session) - within, Worker.state != GONE

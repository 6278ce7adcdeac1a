"""Workers: who is there to take jobs."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.db.session import now_of
from core.db.tables import Worker


def alive(session: Session, within: timedelta) -> Sequence[Worker]:
    """Workers that were heard of in the last `within`, by name."""
    query = select(Worker).where(Worker.last_seen_at > now_of(session) - within).order_by(Worker.name)
    return session.scalars(query).all()


def count_alive(session: Session, within: timedelta) -> int:
    """How many workers were heard of in the last `within`."""
    query = select(func.count()).select_from(Worker).where(Worker.last_seen_at > now_of(session) - within)
    return session.scalar(query) or 0

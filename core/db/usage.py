"""What was computed for whom, day by day: added up as attempts end, so that it stays when jobs are deleted."""

from datetime import UTC, datetime, time, timedelta

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from core.db.tables import ComputeUse


def add(session: Session, owner_id: str, now: datetime, seconds: float) -> None:
    """Note what an attempt took, whatever became of it.

    Args:
        session: the transaction that ends it; the last thing that it locks.
        owner_id: for whom.
        now: the database's clock.
        seconds: the job's share of its worker's time.
    """
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    statement = dialect.insert(ComputeUse).values(owner_id=owner_id, day=_day(now), seconds=seconds)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["owner_id", "day"], set_={"seconds": ComputeUse.seconds + statement.excluded.seconds}
        )
    )


def of_today(session: Session, owner_id: str, now: datetime) -> float:
    """The seconds that workers have computed for an owner since midnight, by UTC."""
    query = select(ComputeUse.seconds).where(ComputeUse.owner_id == owner_id, ComputeUse.day == _day(now))
    return session.scalar(query) or 0.0


def until_tomorrow(now: datetime) -> timedelta:
    """How long it is until the count begins anew."""
    return datetime.combine(now.astimezone(UTC).date() + timedelta(days=1), time(), UTC) - now


def forget_before(session: Session, moment: datetime) -> None:
    """Drop days before a moment's."""
    session.execute(delete(ComputeUse).where(ComputeUse.day < _day(moment)))


def _day(moment: datetime) -> str:
    return moment.astimezone(UTC).date().isoformat()

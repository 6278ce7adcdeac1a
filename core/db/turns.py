"""Fair shares: callers take turns, whatever the length of their queues.

Who was served longest ago comes next, so that a caller's thousand jobs keep another's one waiting for what runs at that
moment, and for no more. A priority orders the jobs of one caller among themselves.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import Session

from core.db.session import now_of
from core.db.tables import Job, Owner


def in_turn(session: Session, claimable: Sequence[ColumnElement[bool]]) -> Sequence[str]:
    """The owners who have a job that may be claimed, whose turn it is first.

    Args:
        session: the transaction.
        claimable: conditions on `Job`; found by `ix_jobs_turn`, one look an owner.
    """
    return list(session.scalars(_owners(claimable)))


def _owners(claimable: Sequence[ColumnElement[bool]]) -> Select[str]:
    theirs = select(Job.id).where(Job.owner_id == Owner.id, *claimable)
    # Not EXISTS: a planner may turn that into a join over the whole table. The first in order is one step in the index.
    first = theirs.order_by(Job.priority.desc(), Job.id).limit(1).scalar_subquery()
    return select(Owner.id).where(first.is_not(None)).order_by(*order())


def order() -> tuple[ColumnElement[Any], ...]:
    """The order of owners: for ORDER BY; who was never served is first."""
    return Owner.served_at.asc().nulls_first(), Owner.id.asc()


def served(session: Session, owner_id: str) -> None:
    """Send an owner to the end of the row. Where another worker does so at this moment, that is enough."""
    row = session.scalars(select(Owner).where(Owner.id == owner_id).with_for_update(skip_locked=True, key_share=True))
    owner = row.first()
    if owner is not None:
        owner.served_at = now_of(session)
        session.flush()

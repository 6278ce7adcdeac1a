"""Batches as their owner sees them: restorations that were asked for together."""

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import delete as sql_delete
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.db.tables import Batch, Job, Restoration


def insert(session: Session, batch: Batch) -> Batch:
    """A new batch."""
    session.add(batch)
    session.flush()
    return batch


def get(session: Session, owner_id: str, batch_id: str) -> Batch | None:
    """An owner's batch."""
    return session.scalars(select(Batch).where(Batch.owner_id == owner_id, Batch.id == batch_id)).first()


def listed(session: Session, owner_id: str, limit: int, before_id: str | None = None) -> Sequence[Batch]:
    """An owner's batches, newest first, those older than `before_id`."""
    query = select(Batch).where(Batch.owner_id == owner_id).order_by(Batch.id.desc()).limit(limit)
    return session.scalars(query if before_id is None else query.where(Batch.id < before_id)).all()


def members(session: Session, owner_id: str, batch_id: str) -> Sequence[tuple[Restoration, Job]]:
    """A batch's restorations with their newest jobs, in the order in which the photos were sent."""
    query = (
        select(Restoration, Job)
        .join(Job, Job.id == Restoration.job_id)
        .where(Restoration.owner_id == owner_id, Restoration.batch_id == batch_id)
        .order_by(Restoration.batch_place)
    )
    return [(restoration, job) for restoration, job in session.execute(query)]


def restoration_ids(session: Session, owner_id: str, batch_id: str) -> Sequence[str]:
    """Of a batch's restorations."""
    mine = (Restoration.owner_id == owner_id, Restoration.batch_id == batch_id)
    return session.scalars(select(Restoration.id).where(*mine)).all()


def unstopped(session: Session, owner_id: str, batch_id: str, most: int) -> Sequence[str]:
    """Ids of a batch's jobs that have not ended and that nobody has asked to stop, as they are to be locked."""
    query = (
        select(Job.id)
        .join(Restoration, Job.id == Restoration.job_id)
        .where(Restoration.owner_id == owner_id, Restoration.batch_id == batch_id)
        .where(Job.finished_at.is_(None), Job.cancel_requested.is_(False))
        .order_by(Job.id)
    )
    return session.scalars(query.limit(most)).all()


def counts(session: Session, owner_id: str, batch_ids: Sequence[str]) -> Mapping[str, Mapping[str, int]]:
    """Of some batches: how many restorations' jobs are in each status."""
    query = (
        select(Restoration.batch_id, Job.status, func.count())
        .join(Job, Job.id == Restoration.job_id)
        .where(Restoration.owner_id == owner_id, Restoration.batch_id.in_(batch_ids))
        .group_by(Restoration.batch_id, Job.status)
    )
    found: dict[str, dict[str, int]] = {batch_id: {} for batch_id in batch_ids}
    for batch_id, status, count in session.execute(query):
        found[str(batch_id)][status] = count
    return found


def delete(session: Session, owner_id: str, batch_id: str) -> None:
    """Forget a batch; of its restorations see `core.db.restorations.delete_some`."""
    session.execute(sql_delete(Batch).where(Batch.owner_id == owner_id, Batch.id == batch_id))


def delete_emptied(session: Session, owner_id: str, batch_ids: Collection[str]) -> Sequence[str]:
    """Forget those among some batches of which no restoration is left; their ids."""
    left = select(Restoration.id).where(Restoration.batch_id == Batch.id).exists()
    gone = sql_delete(Batch).where(Batch.owner_id == owner_id, Batch.id.in_(batch_ids), ~left).returning(Batch.id)
    return session.scalars(gone.execution_options(synchronize_session=False)).all()

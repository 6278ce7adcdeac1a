"""The guard in front of everything that a worker writes: the attempt is still ours, and the subject is still there."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.db import queue
from core.db.tables import Job, Subject
from core.domain.errors import CancelledError
from worker.held import HeldJob


def fenced(session: Session, held: HeldJob) -> Job:
    """Lock a job for a write in this transaction.

    Raises:
        LeaseLostError: it is not this attempt's any more.
        CancelledError: its subject was deleted; nothing of it is made anew.
    """
    gone = subject_is_gone(session, held)
    job = queue.fenced(session, held.id, held.attempt)
    if gone:
        raise CancelledError("The subject of this job was deleted.")
    return job


def subject_is_gone(session: Session, held: HeldJob, *, will_change: bool = False) -> bool:
    """Whether a job's subject, or one of several, was deleted; until this transaction's end nobody deletes it.

    Called before the job is locked: who deletes a subject locks it first and its jobs afterwards, and two orders would
    be a deadlock.

    Args:
        session: the transaction.
        held: whose subject; those whom it only mentions are locked as well.
        will_change: the subject is to be written, too.
    """
    wanted = held.subject_ids | held.mentioned_ids
    if not wanted:
        return False
    # In the order of their ids, as everywhere: two orders would be a deadlock.
    query = select(Subject).where(Subject.id.in_(wanted)).order_by(Subject.id).with_for_update(read=not will_change)
    found = session.scalars(query.execution_options(populate_existing=True))
    there = {subject.id for subject in found if subject.deleted_at is None}
    return not held.subject_ids <= there

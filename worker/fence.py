"""The guard in front of everything that a worker writes: the attempt is still ours, and the subject is still there."""

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
        held: whose subject.
        will_change: the subject is to be written, too.
    """
    lock = {"read": not will_change}
    found = [
        session.get(Subject, subject_id, with_for_update=lock, populate_existing=True)
        for subject_id in sorted(held.subject_ids)
    ]
    return any(subject is None or subject.deleted_at is not None for subject in found)

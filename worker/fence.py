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
    gone = subject_is_gone(session, held.job)
    job = queue.fenced(session, held.id, held.attempt)
    if gone:
        raise CancelledError("The subject of this job was deleted.")
    return job


def subject_is_gone(session: Session, job: Job, *, will_change: bool = False) -> bool:
    """Whether a job's subject was deleted; until this transaction's end nobody deletes it.

    Called before the job is locked: who deletes a subject locks it first and its jobs afterwards, and two orders would
    be a deadlock.

    Args:
        session: the transaction.
        job: whose subject.
        will_change: the subject is to be written, too.
    """
    if job.subject_id is None:
        return False
    subject = session.get(Subject, job.subject_id, with_for_update={"read": not will_change}, populate_existing=True)
    return subject is None or subject.deleted_at is not None

"""What has had its time: rows whose `expires_at` has passed are forgotten, and the sweep takes their bytes afterwards.

What a job that has not ended needs stays, however old it is. Each function is for one kind of row, and takes only so
many, so that its transaction stays short.
"""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import ColumnElement, delete, or_, select, update
from sqlalchemy.orm import Session

from core.db.files import left_behind
from core.db.jobs import needs_checkpoint
from core.db.tables import (
    Batch,
    CandidateRow,
    Checkpoint,
    File,
    Job,
    Restoration,
    Subject,
    WebhookDelivery,
    WebhookEndpoint,
)
from core.domain.job import ENDED_JOB_LIFE

MOST = 500


def restorations(session: Session, now: datetime, most: int = MOST) -> int:
    """Results, with their candidates."""
    over = (Restoration.expires_at <= now, ~_open(Job.id == Restoration.job_id))
    found = session.scalars(select(Restoration.id).where(*over).limit(most).with_for_update(skip_locked=True)).all()
    # Asked again, now that they are ours: a job may have been retried between the look and the lock.
    ids = list(session.scalars(select(Restoration.id).where(Restoration.id.in_(found), *over)))
    session.execute(delete(CandidateRow).where(CandidateRow.restoration_id.in_(ids)))
    session.execute(delete(Restoration).where(Restoration.id.in_(ids)))
    return len(ids)


def batches(session: Session, now: datetime, most: int = MOST) -> int:
    """Batches of which no restoration is left."""
    left = select(Restoration.id).where(Restoration.batch_id == Batch.id).exists()
    ids = list(session.scalars(select(Batch.id).where(Batch.expires_at <= now, ~left).limit(most)))
    session.execute(delete(Batch).where(Batch.id.in_(ids)))
    return len(ids)


def files(session: Session, now: datetime, most: int = MOST) -> int:
    """Uploads, and what is left behind; an album's photos are rows of their own and stay with their subject.

    The photo of a result stays with it, however long ago it was uploaded: another selection of its faces needs it.
    """
    needed = select(Restoration.id).where(Restoration.file_id == File.id).exists()
    over = select(File.id).where(or_(File.expires_at <= now, left_behind()), ~needed).limit(most)
    ids = list(session.scalars(over.with_for_update(skip_locked=True)))
    # Asked again, now that nobody can begin to need them: a restoration may have come between the look and the lock.
    gone = delete(File).where(File.id.in_(ids), or_(File.expires_at <= now, left_behind()), ~needed).returning(File.id)
    return len(session.scalars(gone.execution_options(synchronize_session=False)).all())


def checkpoints(session: Session, now: datetime, most: int = MOST) -> int:
    """Checkpoints that nobody used for so long and nobody pinned; a subject whose default one was has none."""
    over = (
        Checkpoint.expires_at <= now,
        Checkpoint.pinned.is_(False),
        ~_open(
            or_(Job.checkpoint_id == Checkpoint.id, Job.id == Checkpoint.job_id, needs_checkpoint(Checkpoint.id)),
        ),
    )
    found = session.execute(select(Checkpoint.id, Checkpoint.subject_id).where(*over).limit(most)).all()
    # Subjects before checkpoints, as workers lock them; what was used or pinned meanwhile is no longer hit.
    subjects = sorted({subject_id for _, subject_id in found})
    session.execute(select(Subject.id).where(Subject.id.in_(subjects)).order_by(Subject.id).with_for_update())
    ids = list(
        session.scalars(
            delete(Checkpoint)
            .where(Checkpoint.id.in_([checkpoint_id for checkpoint_id, _ in found]), *over)
            .returning(Checkpoint.id)
            .execution_options(synchronize_session=False)
        )
    )
    session.execute(update(Subject).where(Subject.default_checkpoint_id.in_(ids)).values(default_checkpoint_id=None))
    return len(ids)


def jobs(session: Session, now: datetime, most: int = MOST) -> int:
    """Ended jobs with their timelines, where no restoration or checkpoint still points to them."""
    named = or_(
        select(Restoration.id).where(Restoration.job_id == Job.id).exists(),
        select(Checkpoint.id).where(Checkpoint.job_id == Job.id).exists(),
    )
    over = (Job.expires_at <= now, Job.finished_at.is_not(None), ~named)
    ids = list(session.scalars(select(Job.id).where(*over).limit(most)))
    session.execute(delete(Job).where(Job.id.in_(ids)))
    return len(ids)


def deliveries(session: Session, now: datetime, most: int = MOST) -> int:
    """What was told to callers' servers, or could not be."""
    ids = list(session.scalars(select(WebhookDelivery.id).where(WebhookDelivery.expires_at <= now).limit(most)))
    session.execute(delete(WebhookDelivery).where(WebhookDelivery.id.in_(ids)))
    return len(ids)


def former_secrets(session: Session, now: datetime, most: int = MOST) -> int:
    """Secrets of webhooks that sign no more."""
    over = select(WebhookEndpoint.id).where(WebhookEndpoint.former_secret_until <= now).limit(most)
    ids = list(session.scalars(over.with_for_update(skip_locked=True)))
    nothing = {"former_secret": None, "former_secret_until": None}
    session.execute(update(WebhookEndpoint).where(WebhookEndpoint.id.in_(ids)).values(**nothing))
    return len(ids)


def tombstones(session: Session, now: datetime, most: int = MOST) -> int:
    """What is left of deleted subjects, once no job is left that could bring anything of theirs back."""
    over = (Subject.deleted_at <= now - ENDED_JOB_LIFE, ~_open(Job.owner_id == Subject.owner_id))
    ids = list(session.scalars(select(Subject.id).where(*over).limit(most)))
    session.execute(delete(Subject).where(Subject.id.in_(ids)))
    return len(ids)


def _open(which: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether a job that has not ended is among those."""
    return select(Job.id).where(which, Job.finished_at.is_(None)).exists()


KINDS: dict[str, Callable[[Session, datetime], int]] = {
    "restorations": restorations,
    "batches": batches,
    "files": files,
    "checkpoints": checkpoints,
    "jobs": jobs,
    "tombstones": tombstones,
    "deliveries": deliveries,
    "former_secrets": former_secrets,
}
"""What expires, restorations before the files and jobs that they came from.

Each has a transaction of its own: with the locks of two it could wait in a circle with those who lock subjects first.
"""

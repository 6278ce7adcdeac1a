"""Subject checkpoints as their owner sees them."""

from collections.abc import Sequence

from sqlalchemy import Select, delete, select, update
from sqlalchemy.orm import Session

from core.db.tables import Checkpoint, Job, Subject
from core.domain.job import JobStatus
from core.domain.subject import Category, CheckpointStatus


def insert(session: Session, checkpoint: Checkpoint) -> Checkpoint:
    """A new checkpoint, or rather its place: there are no weights yet."""
    session.add(checkpoint)
    session.flush()
    return checkpoint


def get(
    session: Session, owner_id: str, checkpoint_id: str, subject_id: str | None = None, *, lock: bool = False
) -> Checkpoint | None:
    """An owner's checkpoint; None too where it is not of that subject."""
    query = select(Checkpoint).where(Checkpoint.owner_id == owner_id, Checkpoint.id == checkpoint_id)
    query = query if subject_id is None else query.where(Checkpoint.subject_id == subject_id)
    return session.scalars(query.with_for_update() if lock else query).first()


def by_identity(session: Session, owner_id: str, subject_id: str, identity: str) -> Checkpoint | None:
    """The checkpoint that the same album, recipe, prior and seed gave before."""
    query = select(Checkpoint).where(Checkpoint.owner_id == owner_id, Checkpoint.subject_id == subject_id)
    return session.scalars(query.where(Checkpoint.identity == identity)).first()


def listed(
    session: Session, owner_id: str, subject_id: str, limit: int, before_id: str | None = None
) -> Sequence[Checkpoint]:
    """A subject's checkpoints, newest first, those older than `before_id`."""
    query = select(Checkpoint).where(Checkpoint.owner_id == owner_id, Checkpoint.subject_id == subject_id)
    query = query if before_id is None else query.where(Checkpoint.id < before_id)
    return session.scalars(query.order_by(Checkpoint.id.desc()).limit(limit)).all()


def newest_ready(session: Session, owner_id: str, subject_id: str, prior_sha256: str) -> Checkpoint | None:
    """The last one that was made from a prior."""
    query = _of(owner_id, subject_id, prior_sha256).where(Checkpoint.status == CheckpointStatus.READY)
    return session.scalars(query.order_by(Checkpoint.id.desc()).limit(1)).first()


def newest_in_work(session: Session, owner_id: str, subject_id: str, prior_sha256: str) -> Checkpoint | None:
    """The last one whose job is queued or running."""
    query = _of(owner_id, subject_id, prior_sha256).where(Checkpoint.status == CheckpointStatus.PENDING)
    query = query.join(Job, Job.id == Checkpoint.job_id).where(Job.status.in_((JobStatus.QUEUED, JobStatus.RUNNING)))
    return session.scalars(query.order_by(Checkpoint.id.desc()).limit(1)).first()


def recognisable(session: Session, owner_id: str, prior_sha256: str) -> list[Checkpoint]:
    """Of each person with a checkpoint that can be used: the default one, else the newest."""
    query = (
        select(Checkpoint, Subject.default_checkpoint_id)
        .join(Subject, Subject.id == Checkpoint.subject_id)
        .where(Checkpoint.owner_id == owner_id, Checkpoint.prior_sha256 == prior_sha256)
        .where(Checkpoint.status == CheckpointStatus.READY, Checkpoint.blob_sha256.is_not(None))
        .where(Subject.deleted_at.is_(None), Subject.category == Category.PERSON)
        .order_by(Checkpoint.id)
    )
    best: dict[str, Checkpoint] = {}
    for row, default_id in session.execute(query):
        known = best.get(row.subject_id)
        if row.id == default_id or known is None or known.id != default_id:
            best[row.subject_id] = row
    return [best[subject_id] for subject_id in sorted(best)]


def delete_one(session: Session, checkpoint: Checkpoint) -> None:
    """Forget a checkpoint; a subject whose default it was has none."""
    session.execute(
        update(Subject)
        .where(Subject.owner_id == checkpoint.owner_id, Subject.default_checkpoint_id == checkpoint.id)
        .values(default_checkpoint_id=None)
    )
    session.delete(checkpoint)
    session.flush()


def delete_of(session: Session, owner_id: str, subject_id: str) -> int:
    """Forget a subject's checkpoints; how many it had."""
    hit = session.execute(
        delete(Checkpoint).where(Checkpoint.owner_id == owner_id, Checkpoint.subject_id == subject_id)
    )
    return int(hit.rowcount)  # type: ignore[attr-defined]  # a CursorResult, which the stubs call a Result


def _of(owner_id: str, subject_id: str, prior_sha256: str) -> Select[Checkpoint]:
    return select(Checkpoint).where(
        Checkpoint.owner_id == owner_id,
        Checkpoint.subject_id == subject_id,
        Checkpoint.prior_sha256 == prior_sha256,
    )

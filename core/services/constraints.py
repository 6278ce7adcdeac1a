"""Which checkpoint constrains the prior: the one that is named, or the best that a subject has."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.orm import Session

from core.db import checkpoints as checkpoint_rows
from core.db import jobs
from core.db.tables import Checkpoint
from core.domain.errors import CheckpointMismatchError, CheckpointNotReadyError, HeirloomError, NotFoundError
from core.domain.subject import Category, CheckpointStatus
from core.priors.spec import PriorSpec
from core.services import subjects
from core.services.checkpoints import is_being_made


@dataclass(frozen=True)
class Chosen:
    """A checkpoint that is there or on its way.

    Attributes:
        checkpoint: which.
        category: what its subject is.
        waits_for_job_id: the job that is still making it; None where it is ready.
    """

    checkpoint: Checkpoint
    category: Category
    waits_for_job_id: str | None


def choose(
    session: Session,
    owner_id: str,
    subject_id: str | None,
    checkpoint_id: str | None,
    prior: PriorSpec,
    place: str = "",
) -> Chosen:
    """The checkpoint to restore with: at least one of the two is named.

    Args:
        session: the transaction.
        owner_id: whose.
        subject_id: whose checkpoint.
        checkpoint_id: which, instead of the subject's default.
        prior: what it must have been tuned from.
        place: JSON pointer to where they are named, e.g. "/faces/1".

    Raises:
        NotFoundError: no such subject or checkpoint.
        CheckpointNotReadyError: none is there or being made.
        CheckpointMismatchError: it was tuned from another prior.
    """
    subject = None
    if subject_id is not None:
        subject = subjects.get(session, owner_id, subject_id, pointer=f"{place}/subject_id")
    chosen_id = checkpoint_id or (subject.default_checkpoint_id if subject is not None else None)
    chosen = None
    if chosen_id is not None:
        chosen = checkpoint_rows.get(session, owner_id, chosen_id, subject_id)
        if chosen is None and checkpoint_id is not None:
            raise NotFoundError(
                "There is no such checkpoint.",
                "GET /v1/subjects/{id}/checkpoints lists them.",
                pointer=f"{place}/checkpoint_id",
            )
    fits = chosen is not None and chosen.prior_sha256 == prior.sha256
    if subject is not None and checkpoint_id is None and not fits:
        rows = (owner_id, subject.id, prior.sha256)
        other = checkpoint_rows.newest_ready(session, *rows) or checkpoint_rows.newest_in_work(session, *rows)
        chosen = other or chosen
    if chosen is None:
        raise CheckpointNotReadyError(
            "The subject has no checkpoint, and none is being made.",
            "Send its album first: POST /v1/subjects/{id}/album.",
            pointer=f"{place}/subject_id",
        )
    waits_for = usable(session, chosen, prior, f"{place}/{'subject_id' if checkpoint_id is None else 'checkpoint_id'}")
    subject = subject or subjects.get(session, owner_id, chosen.subject_id)
    return Chosen(chosen, Category(subject.category), waits_for)


def usable(session: Session, checkpoint: Checkpoint, prior: PriorSpec, pointer: str = "") -> str | None:
    """Check that a checkpoint is there or on its way.

    Returns:
        The id of the job to wait for; None where it is ready.

    Raises:
        CheckpointNotReadyError: it is neither.
        CheckpointMismatchError: it was tuned from another prior.
    """
    if checkpoint.prior_sha256 != prior.sha256:
        raise CheckpointMismatchError(
            f"The checkpoint was tuned from the prior {checkpoint.prior_name!r}, and this service now uses "
            f"{prior.name!r}.",
            "Tune another from the same album: POST /v1/subjects/{id}/checkpoints.",
            pointer=pointer,
        )
    if checkpoint.status == CheckpointStatus.READY:
        return None
    job = jobs.get(session, checkpoint.owner_id, checkpoint.job_id) if checkpoint.job_id is not None else None
    if job is None or not is_being_made(checkpoint, job):
        raise CheckpointNotReadyError(
            "The checkpoint was not made, and nobody is making it.",
            "See its job's error, then retry that job or tune the album again.",
            pointer=pointer,
        )
    return job.id


def lock_subjects(session: Session, owner_id: str, named: Mapping[str, str]) -> None:
    """Lock subjects, so that one that is deleted at this moment gets no new result; always in one order.

    Args:
        session: the transaction.
        owner_id: whose.
        named: by subject id, the JSON pointer to where it is named.

    Raises:
        NotFoundError: one of them is not there.
    """
    missing: list[HeirloomError] = []
    for subject_id in sorted(named):
        try:
            subjects.get(session, owner_id, subject_id, lock=True, pointer=named[subject_id])
        except NotFoundError as error:
            missing.append(error)
    if missing:
        raise missing[0]

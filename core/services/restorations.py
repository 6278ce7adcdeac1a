"""Restorations: one photo each, checked as far as it can be before anything is queued."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from sqlalchemy.orm import Session

from core.db import checkpoints as checkpoint_rows
from core.db import jobs, queue, restorations
from core.db.session import now_of
from core.db.tables import CandidateRow, Checkpoint, File, Job, Restoration
from core.domain.errors import (
    CheckpointMismatchError,
    CheckpointNotReadyError,
    InvalidRequestError,
    NotFoundError,
)
from core.domain.ids import Prefix, new_id
from core.domain.job import JobKind, JobStatus
from core.domain.mode import Mode
from core.domain.subject import CheckpointStatus
from core.priors.spec import PriorSpec
from core.recipes.cost import cost_of
from core.recipes.schema import Recipe
from core.services import idempotency, subjects
from core.services.checkpoints import is_being_made
from core.services.offer import Dials, Offer
from core.services.queueing import Order, enqueue
from core.services.terms import Terms

ORIGINAL = "original"
ImageFormat = Literal["png", "jpeg", "webp"]


@dataclass(frozen=True)
class Wanted:
    """What somebody asks for.

    Attributes:
        mode: None for auto: personal where a subject or a checkpoint is named, else generative.
        subject_id: whose checkpoint constrains the prior.
        checkpoint_id: which, instead of the subject's default.
        dials: recipe, and K.
        candidates: results, each with other noise.
        seed: of everything random.
        aligned: the photo already is a face crop in FFHQ framing.
        native: the result in the prior's own resolution.
        image_format: of the results.
        start_by: not begun later than this.
    """

    mode: Mode | None = None
    subject_id: str | None = None
    checkpoint_id: str | None = None
    dials: Dials = field(default_factory=Dials)
    candidates: int = 1
    seed: int = 0
    aligned: bool = False
    native: bool = False
    image_format: ImageFormat = "png"
    start_by: datetime | None = None


@dataclass(frozen=True)
class Prepared:
    """What was found to be possible.

    Attributes:
        mode: settled.
        recipe: complete and checked.
        subject_id: whose checkpoint it is.
        checkpoint: for the personal mode.
        waits_for_job_id: the job that is still making that checkpoint.
    """

    mode: Mode
    recipe: Recipe
    subject_id: str | None = None
    checkpoint: Checkpoint | None = None
    waits_for_job_id: str | None = None


@dataclass(frozen=True)
class Restored:
    """A restoration with what belongs to it."""

    restoration: Restoration
    job: Job | None
    candidates: Sequence[CandidateRow]


def prepare(session: Session, owner_id: str, wanted: Wanted, offer: Offer) -> Prepared:
    """Check a request; nothing is written.

    Raises:
        InvalidRequestError: it contradicts itself, or a time that has passed.
        InvalidRecipeError: no such recipe, one of another mode, or a K that the prior does not have.
        NotFoundError: no such subject or checkpoint.
        CheckpointNotReadyError: the personal mode, and no checkpoint is there or being made.
        CheckpointMismatchError: the checkpoint was tuned from another prior.
    """
    mode = _mode_of(wanted)
    if wanted.start_by is not None and wanted.start_by <= now_of(session):
        raise InvalidRequestError("start_by has passed.", "Name a later moment, or none.", pointer="/start_by")
    recipe = offer.recipe(mode, wanted.dials)
    if mode is not Mode.PERSONAL:
        return Prepared(mode, recipe)
    checkpoint, waits_for = _checkpoint(session, owner_id, wanted, offer.prior)
    return Prepared(mode, recipe, checkpoint.subject_id, checkpoint, waits_for)


def _mode_of(wanted: Wanted) -> Mode:
    named = wanted.subject_id is not None or wanted.checkpoint_id is not None
    mode = wanted.mode or (Mode.PERSONAL if named else Mode.GENERATIVE)
    if mode is Mode.PERSONAL and not named:
        raise InvalidRequestError(
            "The personal mode needs a subject.", "Name its subject_id, or choose another mode.", pointer="/subject_id"
        )
    if mode is not Mode.PERSONAL and named:
        member = "/subject_id" if wanted.subject_id is not None else "/checkpoint_id"
        raise InvalidRequestError(
            f"A subject belongs to the personal mode, not to {mode}.", "Leave one of them out.", pointer=member
        )
    return mode


def _checkpoint(session: Session, owner_id: str, wanted: Wanted, prior: PriorSpec) -> tuple[Checkpoint, str | None]:
    subject = None
    if wanted.subject_id is not None:
        subject = subjects.get(session, owner_id, wanted.subject_id, pointer="/subject_id")
    chosen_id = wanted.checkpoint_id or (subject.default_checkpoint_id if subject is not None else None)
    chosen = None
    if chosen_id is not None:
        chosen = checkpoint_rows.get(session, owner_id, chosen_id, wanted.subject_id)
        if chosen is None and wanted.checkpoint_id is not None:
            raise NotFoundError(
                "There is no such checkpoint.",
                "GET /v1/subjects/{id}/checkpoints lists them.",
                pointer="/checkpoint_id",
            )
    fits = chosen is not None and chosen.prior_sha256 == prior.sha256
    if subject is not None and wanted.checkpoint_id is None and not fits:
        rows = (owner_id, subject.id, prior.sha256)
        other = checkpoint_rows.newest_ready(session, *rows) or checkpoint_rows.newest_in_work(session, *rows)
        chosen = other or chosen
    if chosen is None:
        raise CheckpointNotReadyError(
            "The subject has no checkpoint, and none is being made.",
            "Send its album first: POST /v1/subjects/{id}/album.",
            pointer="/subject_id",
        )
    return chosen, usable(session, chosen, prior)


def usable(session: Session, checkpoint: Checkpoint, prior: PriorSpec) -> str | None:
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
        )
    if checkpoint.status == CheckpointStatus.READY:
        return None
    job = jobs.get(session, checkpoint.owner_id, checkpoint.job_id) if checkpoint.job_id is not None else None
    if job is None or not is_being_made(checkpoint, job):
        raise CheckpointNotReadyError(
            "The checkpoint was not made, and nobody is making it.",
            "See its job's error, then retry that job or tune the album again.",
        )
    return job.id


def create(
    session: Session, owner_id: str, file: File, wanted: Wanted, offer: Offer, terms: Terms
) -> tuple[Restoration, Job]:
    """Queue a restoration; errors as for `prepare`."""
    # Subjects are locked, so that one that is deleted at this moment gets no new result.
    if wanted.subject_id is not None and _mode_of(wanted) is Mode.PERSONAL:
        subjects.get(session, owner_id, wanted.subject_id, lock=True, pointer="/subject_id")
    prepared = prepare(session, owner_id, wanted, offer)
    if wanted.subject_id is None and prepared.subject_id is not None:
        subjects.get(session, owner_id, prepared.subject_id, lock=True, pointer="/checkpoint_id")
        prepared = prepare(session, owner_id, wanted, offer)  # the checkpoint may have gone before the lock came
    restoration_id, job_id = new_id(Prefix.RESTORATION), new_id(Prefix.JOB)
    job = enqueue(session, owner_id, _order(owner_id, restoration_id, wanted, prepared, offer.prior), job_id)
    now = now_of(session)
    checkpoint_id = prepared.checkpoint.id if prepared.checkpoint is not None else None
    restoration = Restoration(
        id=restoration_id,
        owner_id=owner_id,
        job_id=job_id,
        file_id=file.id,
        input_sha256=file.blob_sha256,
        subject_id=prepared.subject_id,
        checkpoint_id=checkpoint_id,
        mode=prepared.mode,
        candidates=wanted.candidates,
        output={"format": wanted.image_format, "native": wanted.native},
        faces=[],
        created_at=now,
        expires_at=now + terms.photo_life,
    )
    return restorations.insert(session, restoration), job


def _order(owner_id: str, restoration_id: str, wanted: Wanted, prepared: Prepared, prior: PriorSpec) -> Order:
    recipe, checkpoint = prepared.recipe, prepared.checkpoint
    cost = cost_of(recipe)
    tuning = cost.album + cost.finetune if prepared.mode is Mode.GENERATIVE else 0
    options = {
        "aligned": wanted.aligned,
        "native": wanted.native,
        "candidates": wanted.candidates,
        "format": wanted.image_format,
    }
    shared = [
        owner_id,
        prepared.mode.value,
        checkpoint.id if checkpoint is not None else None,
        recipe.digest(),
        prior.sha256,
        wanted.candidates,
        wanted.native,
    ]
    together = prepared.mode is not Mode.GENERATIVE  # that tunes on each photo by itself
    return Order(
        kind=JobKind.RESTORATION,
        recipe=recipe,
        prior=prior,
        seed=wanted.seed,
        cost_forwards=tuning + cost.restore * wanted.candidates,
        options=options,
        columns={
            "restoration_id": restoration_id,
            "subject_id": prepared.subject_id,
            "checkpoint_id": checkpoint.id if checkpoint is not None else None,
            "waits_for_job_id": prepared.waits_for_job_id,
            "start_by": wanted.start_by,
            "batch_key": hashlib.sha256(json.dumps(shared).encode()).hexdigest() if together else None,
        },
    )


def get(session: Session, owner_id: str, restoration_id: str) -> Restored:
    """A restoration with its job and candidates.

    Raises:
        NotFoundError: there is none.
    """
    return _with_all(session, owner_id, [_row(session, owner_id, restoration_id)])[0]


def listed(
    session: Session, owner_id: str, limit: int, before_id: str | None, subject_id: str | None
) -> list[Restored]:
    """An owner's restorations, newest first."""
    return _with_all(session, owner_id, restorations.listed(session, owner_id, limit, before_id, subject_id))


def delete(session: Session, owner_id: str, restoration_id: str) -> None:
    """Forget a restoration, what it gave, and the photo if it came along with it; stop its job.

    Raises:
        NotFoundError: there is none.
    """
    job_id = _row(session, owner_id, restoration_id).job_id
    # The job is locked first, as workers do: two orders can deadlock. Where a retry gave it another job meanwhile, the
    # restoration is let go again, for that one comes first as well.
    while job_id is not None:
        queue.request_cancel(session, owner_id, job_id)
        with session.begin_nested() as held:
            now_by = restorations.made_by(session, owner_id, restoration_id)
            if now_by in (None, job_id):
                break
            job_id = now_by
            held.rollback()
    restorations.delete_some(session, owner_id, [restoration_id])
    idempotency.forget_about(session, owner_id, restoration_id)


def _row(session: Session, owner_id: str, restoration_id: str) -> Restoration:
    row = restorations.get(session, owner_id, restoration_id)
    if row is None or _over(session, row):
        raise NotFoundError("There is no such restoration.", "GET /v1/restorations lists yours.")
    return row


def _over(session: Session, row: Restoration) -> bool:
    """Whether its time has passed: workers forget it within an hour, unless its job has not ended."""
    if row.expires_at is None or row.expires_at > now_of(session):
        return False
    job = jobs.get(session, row.owner_id, row.job_id)
    return job is None or JobStatus(job.status).terminal


def _with_all(session: Session, owner_id: str, rows: Sequence[Restoration]) -> list[Restored]:
    found = restorations.candidates_of(session, owner_id, [row.id for row in rows])
    by_id = {job.id: job for job in jobs.some(session, owner_id, [row.job_id for row in rows])}
    return [
        Restored(row, by_id.get(row.job_id), [one for one in found if one.restoration_id == row.id]) for row in rows
    ]

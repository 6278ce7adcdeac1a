"""Restorations: one photo each, checked as far as it can be before anything is queued."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from core.db import checkpoints as checkpoint_rows
from core.db import jobs, queue, restorations
from core.db.outbox import WEBHOOK_OPTION
from core.db.session import now_of
from core.db.tables import CandidateRow, Checkpoint, File, Job, Restoration
from core.domain.errors import InvalidRequestError, NotFoundError, UnsupportedFormatError
from core.domain.face import FaceAction, FaceWish
from core.domain.ids import Prefix, new_id
from core.domain.job import JobKind, JobStatus
from core.domain.mode import Mode
from core.domain.subject import Category
from core.imaging.original import heic
from core.priors.spec import PriorSpec
from core.recipes.cost import cost_of
from core.recipes.schema import Recipe
from core.services import idempotency, webhooks
from core.services.constraints import Chosen, choose, lock_subjects
from core.services.offer import Offer
from core.services.queueing import Order, enqueue
from core.services.terms import Terms
from core.services.wanted import AUTO, AskedFace, Wanted
from core.services.wishes import check_category, check_faces, wishes_of

ORIGINAL = "original"


@dataclass(frozen=True)
class Prepared:
    """What was found to be possible.

    Attributes:
        mode: settled; of the faces that name no checkpoint of their own.
        recipe: complete and checked.
        category: what the faces are.
        checkpoint: of the whole photo, for the personal mode.
        personal_recipe: for the faces that name a checkpoint where the mode is another.
        wishes: what is asked of single faces; None: nothing.
        subjects: by checkpoint id, whose it is: all that are used.
        waits_for_job_ids: the jobs that are still making one of those.
        webhook: who is told how the job goes, beside those who hear of every job.
    """

    mode: Mode
    recipe: Recipe
    category: Category
    checkpoint: Checkpoint | None = None
    personal_recipe: Recipe | None = None
    wishes: tuple[FaceWish, ...] | None = None
    subjects: Mapping[str, str] = field(default_factory=dict)
    waits_for_job_ids: tuple[str, ...] = ()
    webhook: Mapping[str, str] | None = None


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
        PriorUncalibratedError: K is to follow from the photo, and cannot.
        UnsupportedFormatError: HEIC is asked for, and is not written here.
        NotFoundError: no such subject or checkpoint.
        CheckpointNotReadyError: the personal mode, and no checkpoint is there or being made.
        CheckpointMismatchError: the checkpoint was tuned from another prior.
        AddressRefusedError: the webhook_url is no plain address.
    """
    mode = _mode_of(wanted)
    if wanted.start_by is not None and wanted.start_by <= now_of(session):
        raise InvalidRequestError("start_by has passed.", "Name a later moment, or none.", pointer="/start_by")
    if wanted.output.file_format == "heic" and not heic.available():
        raise UnsupportedFormatError(
            "HEIC is not written here: its encoder is not installed.",
            "Ask for jpeg, or have the operator install heirloom[heic].",
            pointer="/output/format",
        )
    check_faces(wanted)
    recipe, personal_recipe = _recipes(mode, wanted, offer)
    whole = None
    if mode is Mode.PERSONAL:
        whole = choose(session, owner_id, wanted.subject_id, wanted.checkpoint_id, offer.prior)
    own = [
        choose(session, owner_id, face.subject_id, face.checkpoint_id, offer.prior, f"/faces/{number}")
        if face.names_checkpoint
        else None
        for number, face in enumerate(wanted.single_faces)
    ]
    category = _category(wanted, whole, own)
    used = [one for one in (whole, *own) if one is not None]
    return Prepared(
        mode=mode,
        recipe=recipe,
        category=category,
        checkpoint=None if whole is None else whole.checkpoint,
        personal_recipe=personal_recipe,
        wishes=wishes_of(wanted.faces, own) if isinstance(wanted.faces, tuple) else None,
        subjects={one.checkpoint.id: one.checkpoint.subject_id for one in used},
        waits_for_job_ids=tuple(sorted({one.waits_for_job_id for one in used if one.waits_for_job_id is not None})),
        webhook=None if wanted.webhook_url is None else webhooks.target_of(session, owner_id, wanted.webhook_url),
    )


def _mode_of(wanted: Wanted) -> Mode:
    named = wanted.names_checkpoint
    mode = wanted.mode or (Mode.PERSONAL if named else Mode.GENERATIVE)
    if mode is Mode.PERSONAL and not named:
        raise InvalidRequestError(
            "The personal mode needs a subject.",
            "Name its subject_id, or leave mode out: a face that names a subject is personal by itself.",
            pointer="/subject_id",
        )
    if mode is not Mode.PERSONAL and named:
        member = "/subject_id" if wanted.subject_id is not None else "/checkpoint_id"
        raise InvalidRequestError(
            f"A subject belongs to the personal mode, not to {mode}.", "Leave one of them out.", pointer=member
        )
    return mode


def _recipes(mode: Mode, wanted: Wanted, offer: Offer) -> tuple[Recipe, Recipe | None]:
    """The recipe of the photo, and the one of faces with a checkpoint of their own where the mode is another.

    A recipe that is named may be either's; the other is the default then.
    """
    own = wanted.faces == AUTO or any(face.names_checkpoint for face in wanted.single_faces)
    if mode is Mode.PERSONAL or not own:
        return offer.recipe(mode, wanted.dials), None
    named = offer.presets().get(wanted.dials.recipe or "")
    unnamed = wanted.dials.without_recipe()
    if named is not None and named.recipe.mode is Mode.PERSONAL:
        return offer.recipe(mode, unnamed), offer.recipe(Mode.PERSONAL, wanted.dials)
    return offer.recipe(mode, wanted.dials), offer.recipe(Mode.PERSONAL, unnamed)


def _category(wanted: Wanted, whole: Chosen | None, own: Sequence[Chosen | None]) -> Category:
    """What the faces are: as was said, as the subjects are, or people."""
    named = [("/subject_id" if wanted.subject_id is not None else "/checkpoint_id", whole)] if whole is not None else []
    for number, (face, chosen) in enumerate(zip(wanted.single_faces, own, strict=False)):
        if chosen is not None:
            member = "subject_id" if face.subject_id is not None else "checkpoint_id"
            named.append((f"/faces/{number}/{member}", chosen))
    category = wanted.category or (named[0][1].category if named else Category.PERSON)
    for pointer, chosen in named:
        if chosen.category is not category:
            raise InvalidRequestError(
                f"This subject is a {chosen.category}, and the photo is looked at as one of a {category}.",
                "Send a request for each category.",
                pointer=pointer,
            )
    check_category(wanted, category)
    return category


def create(
    session: Session, owner_id: str, file: File, wanted: Wanted, offer: Offer, terms: Terms
) -> tuple[Restoration, Job]:
    """Queue a restoration; errors as for `prepare`."""
    check_faces(wanted)
    if _mode_of(wanted) is Mode.PERSONAL or wanted.single_faces:
        lock_subjects(session, owner_id, _named(session, owner_id, wanted))
    prepared = prepare(session, owner_id, wanted, offer)
    restoration_id, job_id = new_id(Prefix.RESTORATION), new_id(Prefix.JOB)
    job = enqueue(session, owner_id, _order(owner_id, restoration_id, wanted, prepared, offer.prior), job_id)
    now = now_of(session)
    checkpoint = prepared.checkpoint
    restoration = Restoration(
        id=restoration_id,
        owner_id=owner_id,
        job_id=job_id,
        file_id=file.id,
        input_sha256=file.blob_sha256,
        subject_id=checkpoint.subject_id if checkpoint is not None else None,
        checkpoint_id=checkpoint.id if checkpoint is not None else None,
        mode=prepared.mode,
        candidates=wanted.candidates,
        output={**wanted.output.as_json(), "colour": wanted.colour},
        faces=[],
        created_at=now,
        expires_at=now + terms.photo_life,
    )
    restorations.insert(session, restoration)
    restorations.name_checkpoints(session, restoration, prepared.subjects)
    return restoration, job


def _named(session: Session, owner_id: str, wanted: Wanted) -> dict[str, str]:
    """By subject id, where it is named; by a checkpoint of it, too."""
    places: list[tuple[str, Wanted | AskedFace]] = [("", wanted)]
    places += [(f"/faces/{number}", face) for number, face in enumerate(wanted.single_faces)]
    named: dict[str, str] = {}
    for place, one in places:
        if one.subject_id is not None:
            named.setdefault(one.subject_id, f"{place}/subject_id")
        elif one.checkpoint_id is not None:
            row = checkpoint_rows.get(session, owner_id, one.checkpoint_id)
            if row is not None:  # one that is not there is refused by `prepare`
                named.setdefault(row.subject_id, f"{place}/checkpoint_id")
    return named


def _order(owner_id: str, restoration_id: str, wanted: Wanted, prepared: Prepared, prior: PriorSpec) -> Order:
    recipe, checkpoint = prepared.recipe, prepared.checkpoint
    options: dict[str, Any] = {
        "aligned": wanted.aligned,
        "candidates": wanted.candidates,
        "category": prepared.category.value,
        "colour": wanted.colour,
        **wanted.output.as_json(),
        "faces": wanted.faces if prepared.wishes is None else [wish.as_json() for wish in prepared.wishes],
        "subject_ids": sorted(set(prepared.subjects.values())),
    }
    if prepared.personal_recipe is not None:
        options["personal_recipe"] = prepared.personal_recipe.model_dump(mode="json")
    if prepared.webhook is not None:
        options[WEBHOOK_OPTION] = dict(prepared.webhook)
    if len(prepared.waits_for_job_ids) > 1:
        options["waits_for_job_ids"] = list(prepared.waits_for_job_ids)
    shared = [
        owner_id,
        prepared.mode.value,
        checkpoint.id if checkpoint is not None else None,
        recipe.digest(),
        prior.sha256,
        *(options[name] for name in _SHARED),
    ]
    # Generative photos are tuned on one by one, and faces with checkpoints of their own bring those along.
    together = prepared.mode is not Mode.GENERATIVE and prepared.personal_recipe is None
    together = together and all(wish.checkpoint_id is None for wish in prepared.wishes or ())
    return Order(
        kind=JobKind.RESTORATION,
        recipe=recipe,
        prior=prior,
        seed=wanted.seed,
        cost_forwards=_cost(wanted, prepared),
        options=options,
        columns={
            "restoration_id": restoration_id,
            "subject_id": checkpoint.subject_id if checkpoint is not None else None,
            "checkpoint_id": checkpoint.id if checkpoint is not None else None,
            "waits_for_job_id": next(iter(prepared.waits_for_job_ids), None),
            "start_by": wanted.start_by,
            "batch_key": hashlib.sha256(json.dumps(shared).encode()).hexdigest() if together else None,
        },
    )


_SHARED = ("candidates", "native", "colour", "format", "keep_metadata", "category")
"""Options that photos of one batch have in common."""


def _cost(wanted: Wanted, prepared: Prepared) -> int:
    """Network forwards: of the faces that are named, or of one, for nobody knows yet how many there are."""
    cost = cost_of(prepared.recipe)
    tuning = cost.album + cost.finetune if prepared.mode is Mode.GENERATIVE else 0
    alike = tuning + cost.restore * wanted.candidates
    restored = [wish for wish in prepared.wishes or () if wish.action is FaceAction.RESTORE]
    if prepared.wishes is None:
        return alike
    personal = cost_of(prepared.personal_recipe or prepared.recipe).restore * wanted.candidates
    return sum(alike if wish.checkpoint_id is None else personal for wish in restored)


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
        Restored(
            row,
            by_id.get(row.job_id),
            [one for one in found if one.restoration_id == row.id],
        )
        for row in rows
    ]

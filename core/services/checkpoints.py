"""Subject checkpoints: tuned once from an album, used by many restorations; an identical request gives the same one."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from core.db import albums, checkpoints, jobs, queue
from core.db.session import now_of
from core.db.tables import AlbumPhoto, Checkpoint, Job, Subject
from core.domain.errors import AlbumTooSmallError, CheckpointNotReadyError, ConflictError, NotFoundError
from core.domain.ids import Prefix, new_id
from core.domain.job import JobKind, JobStatus
from core.domain.mode import Mode
from core.domain.subject import FINAL_CODES, MIN_ALBUM_PHOTOS, CheckpointStatus, PhotoStatus
from core.imaging.signature import kinds
from core.priors.spec import PriorSpec
from core.recipes.cost import cost_of
from core.recipes.schema import Recipe
from core.services import subjects
from core.services.offer import Dials, Offer
from core.services.queueing import Order, enqueue
from core.services.terms import Terms
from core.storage.base import BlobRef


@dataclass(frozen=True)
class Tuning:
    """A tuning that was asked for.

    Attributes:
        checkpoint: what it makes, or has made.
        job: which makes it; None where that is long ago.
        new: whether the job was put into the queue now.
    """

    checkpoint: Checkpoint
    job: Job | None
    new: bool


def request(session: Session, owner_id: str, subject_id: str, offer: Offer, dials: Dials, seed: int) -> Tuning:
    """Tune another checkpoint from an album that is there already.

    Raises:
        NotFoundError: no such subject.
        InvalidRecipeError: a recipe that is not personal, or does not fit the prior.
        AlbumTooSmallError: fewer usable photos than a tuning needs.
    """
    recipe = offer.recipe(Mode.PERSONAL, dials)
    subject = subjects.get(session, owner_id, subject_id, lock=True)
    photos = included(albums.photos_of(session, owner_id, subject_id))
    check_size(photos)
    return tune(session, subject, photos, recipe, offer, seed, JobKind.CHECKPOINT)


def tune(
    session: Session,
    subject: Subject,
    photos: Sequence[AlbumPhoto],
    recipe: Recipe,
    offer: Offer,
    seed: int,
    kind: JobKind,
) -> Tuning:
    """Find the checkpoint of these photos, recipe, prior, face finder and seed, or put its job into the queue.

    Args:
        session: a transaction that holds the subject locked.
        subject: whose.
        photos: of the album, those that are included, in order.
        recipe: personal.
        offer: its prior is tuned, on the faces that its finder finds.
        seed: of everything random.
        kind: album or checkpoint: what the job is called.
    """
    prior = offer.prior
    identity = _identity(subject, photos, recipe, offer, seed)
    known = checkpoints.by_identity(session, subject.owner_id, subject.id, identity)
    if known is not None:
        job = jobs.get(session, subject.owner_id, known.job_id) if known.job_id else None
        if known.status == CheckpointStatus.READY or is_being_made(known, job):
            return Tuning(known, job, new=False)
    checkpoint = known or checkpoints.insert(session, _place(session, subject, photos, recipe, prior, seed, identity))
    options = job_options(photos)
    order = Order(
        kind=kind,
        recipe=recipe,
        prior=prior,
        seed=seed,
        cost_forwards=cost_of(recipe).finetune,
        options=options | ({"tune": True} if kind is JobKind.ALBUM else {}),
        columns={"subject_id": subject.id, "checkpoint_id": checkpoint.id},
    )
    job = enqueue(session, subject.owner_id, order)
    checkpoint.status, checkpoint.job_id = CheckpointStatus.PENDING, job.id
    session.flush()
    return Tuning(checkpoint, job, new=True)


def is_being_made(checkpoint: Checkpoint, job: Job | None) -> bool:
    """Whether its job has not ended."""
    return checkpoint.status == CheckpointStatus.PENDING and job is not None and not JobStatus(job.status).terminal


def included(photos: Sequence[AlbumPhoto]) -> list[AlbumPhoto]:
    """The photos that its owner wants in the album."""
    return [photo for photo in photos if photo.include]


def job_options(photos: Sequence[AlbumPhoto]) -> dict[str, object]:
    """What an album's job has to know of its photos: which, and on which of them their owner insists."""
    return {
        "photo_ids": [photo.id for photo in photos],
        "insisted_ids": [photo.id for photo in photos if photo.insisted],
    }


def may_be_kept(photo: AlbumPhoto) -> bool:
    """Whether a photo is wanted, and nothing in itself is known to speak against it."""
    return photo.include and not (photo.status == PhotoStatus.LEFT_OUT and photo.code in FINAL_CODES)


def check_size(photos: Sequence[AlbumPhoto]) -> None:
    """Refuse an album of which it is known that it cannot be enough.

    Raises:
        AlbumTooSmallError: fewer photos that may be kept than a tuning needs.
    """
    refuse_too_small(sum(map(may_be_kept, photos)))


def refuse_too_small(usable: int) -> None:
    """Refuse so few photos.

    Raises:
        AlbumTooSmallError: fewer than a tuning needs.
    """
    if usable < MIN_ALBUM_PHOTOS:
        have = {0: "no photo that can be used", 1: "one photo that can be used"}.get(usable, f"{usable} usable photos")
        raise AlbumTooSmallError(
            f"The album has {have}; {MIN_ALBUM_PHOTOS} are needed.",
            f"Send clear photos of the person as {kinds()}, about twenty in varied pose and light.",
        )


def _identity(subject: Subject, photos: Sequence[AlbumPhoto], recipe: Recipe, offer: Offer, seed: int) -> str:
    carried_out = recipe.tuned_up_to_k().finetune
    tuning = carried_out.digest() if carried_out is not None else ""
    # Held-out photos are restored from K, which decides the step that is kept.
    scored_from = recipe.restore.noise_steps if carried_out is not None and carried_out.scorings else 0
    named = [[photo.blob_sha256, photo.insisted] for photo in photos]
    parts = [named, subject.category, tuning, scored_from, offer.prior.sha256, seed]
    if offer.finder != "dlib":  # which found all faces before there was a choice: its checkpoints stay the same
        parts.append(offer.finder)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _place(
    session: Session,
    subject: Subject,
    photos: Sequence[AlbumPhoto],
    recipe: Recipe,
    prior: PriorSpec,
    seed: int,
    identity: str,
) -> Checkpoint:
    return Checkpoint(
        id=new_id(Prefix.CHECKPOINT),
        owner_id=subject.owner_id,
        subject_id=subject.id,
        status=CheckpointStatus.PENDING,
        identity=identity,
        prior_name=prior.name,
        prior_sha256=prior.sha256,
        recipe=recipe.model_dump(mode="json"),
        recipe_digest=recipe.digest(),
        seed=seed,
        album_sha256=hashlib.sha256("".join(photo.blob_sha256 for photo in photos).encode()).hexdigest(),
        scores={},
        created_at=now_of(session),
    )


def get(session: Session, owner_id: str, subject_id: str, checkpoint_id: str) -> tuple[Subject, Checkpoint]:
    """A subject's checkpoint, and the subject.

    Raises:
        NotFoundError: no such subject, or none of its checkpoints.
    """
    subject = subjects.get(session, owner_id, subject_id)
    checkpoint = checkpoints.get(session, owner_id, checkpoint_id, subject_id)
    if checkpoint is None:
        raise NotFoundError("There is no such checkpoint.", "GET /v1/subjects/{id}/checkpoints lists them.")
    return subject, checkpoint


def listed(
    session: Session, owner_id: str, subject_id: str, limit: int, before_id: str | None
) -> tuple[Subject, Sequence[Checkpoint]]:
    """A subject's checkpoints, newest first, and the subject.

    Raises:
        NotFoundError: no such subject.
    """
    subject = subjects.get(session, owner_id, subject_id)
    return subject, checkpoints.listed(session, owner_id, subject_id, limit, before_id)


def change(
    session: Session,
    owner_id: str,
    subject_id: str,
    checkpoint_id: str,
    terms: Terms,
    default: bool | None = None,
    pinned: bool | None = None,
) -> tuple[Subject, Checkpoint]:
    """Make it the subject's default, or not; keep it for ever, or not.

    Raises:
        NotFoundError: no such subject, or none of its checkpoints.
        CheckpointNotReadyError: one that is not there yet cannot be the default.
    """
    subjects.get(session, owner_id, subject_id, lock=True)
    subject, checkpoint = get(session, owner_id, subject_id, checkpoint_id)
    if default:
        refuse_unready(checkpoint)
        subject.default_checkpoint_id = checkpoint.id
    elif default is False and subject.default_checkpoint_id == checkpoint.id:
        subject.default_checkpoint_id = None
    if pinned is not None and pinned != checkpoint.pinned:
        checkpoint.pinned = pinned
        ready = checkpoint.status == CheckpointStatus.READY
        checkpoint.expires_at = now_of(session) + terms.checkpoint_life if ready and not pinned else None
    session.flush()
    return subject, checkpoint


def refuse_unready(checkpoint: Checkpoint) -> None:
    """Refuse a checkpoint without weights.

    Raises:
        CheckpointNotReadyError: it has none yet, or its job failed.
    """
    if checkpoint.status != CheckpointStatus.READY:
        raise CheckpointNotReadyError(
            f"The checkpoint is {checkpoint.status}.", "Wait for its job, or look there why it failed."
        )


def delete(session: Session, owner_id: str, subject_id: str, checkpoint_id: str) -> None:
    """Forget a checkpoint, and stop the job that makes it.

    Raises:
        NotFoundError: no such subject, or none of its checkpoints.
        ConflictError: restorations that have not ended need it.
    """
    subjects.get(session, owner_id, subject_id, lock=True)
    _, checkpoint = get(session, owner_id, subject_id, checkpoint_id)
    if jobs.restoring_with(session, owner_id, checkpoint_id):
        raise ConflictError(
            "Restorations that have not ended need this checkpoint.",
            "Cancel them first, or wait until they have ended.",
        )
    if checkpoint.job_id is not None and checkpoint.status == CheckpointStatus.PENDING:
        queue.request_cancel(session, owner_id, checkpoint.job_id)
    checkpoints.delete_one(session, checkpoint)


def content(session: Session, owner_id: str, subject_id: str, checkpoint_id: str) -> BlobRef:
    """Where its weights are.

    Raises:
        NotFoundError: no such subject, or none of its checkpoints.
        CheckpointNotReadyError: it has none yet, or its job failed.
    """
    _, checkpoint = get(session, owner_id, subject_id, checkpoint_id)
    refuse_unready(checkpoint)
    return BlobRef(owner_id, checkpoint.blob_sha256 or "", checkpoint.size_bytes or 0)

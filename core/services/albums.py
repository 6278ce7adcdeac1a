"""Albums: photos join once each, and a job looks at them and, if that is wanted, tunes a checkpoint."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from core.db import albums, blobs
from core.db.session import now_of
from core.db.tables import AlbumPhoto, Job, Subject
from core.domain.errors import ConsentMissingError, InvalidRequestError, NotFoundError
from core.domain.ids import Prefix, new_id
from core.domain.job import JobKind
from core.domain.mode import Mode
from core.domain.subject import EXCLUDED, Category, PhotoStatus
from core.imaging.signature import kinds
from core.recipes.schema import Recipe
from core.services import checkpoints, subjects
from core.services.album_spool import NewPhoto
from core.services.offer import Dials, Offer
from core.services.queueing import Order, enqueue
from core.storage.base import BlobRef

MOST_PHOTOS = 2_000
_NO_PHOTO = "unsupported_format"


@dataclass(frozen=True)
class AlbumOrder:
    """What is to be done with the photos.

    Attributes:
        tune: make a checkpoint; otherwise they are only looked at.
        dials: which recipe.
        seed: of everything random.
        file_ids: the uploads that the photos come from, where they were not sent along.
    """

    tune: bool = True
    dials: Dials = field(default_factory=Dials)
    seed: int = 0
    file_ids: tuple[str, ...] = ()


def missing(
    session: Session, owner_id: str, subject_id: str, photos: Sequence[NewPhoto], offer: Offer, order: AlbumOrder
) -> list[BlobRef]:
    """What has to be stored before `add`; everything that can be refused is refused here, before a byte is kept.

    Raises:
        NotFoundError: no such subject.
        ConsentMissingError: a person, and nobody said who agreed.
        AlbumTooSmallError: with these photos the album still has too few.
        InvalidRequestError: with these photos it has too many.
        InvalidRecipeError: a recipe that is not personal, or does not fit the prior.
    """
    offer.recipe(Mode.PERSONAL, order.dials)
    subject = subjects.get(session, owner_id, subject_id)
    return [photo.ref for photo in _joining(session, subject, photos)]


def add(
    session: Session, owner_id: str, subject_id: str, photos: Sequence[NewPhoto], offer: Offer, order: AlbumOrder
) -> tuple[Job, bool]:
    """Let photos join, and put the album's job into the queue.

    Args:
        session: the transaction.
        owner_id: whose.
        subject_id: which.
        photos: those that `missing` named are in the store.
        offer: recipes and prior.
        order: what is to be done.

    Returns:
        The job, and whether it is new: the same album, tuned the same way, has one already.

    Raises:
        NotFoundError: no such subject.
        ConsentMissingError, AlbumTooSmallError, InvalidRequestError, InvalidRecipeError: as for `missing`.
    """
    recipe = offer.recipe(Mode.PERSONAL, order.dials)
    subject = subjects.get(session, owner_id, subject_id, lock=True)
    joining = _joining(session, subject, photos)
    now = now_of(session)
    albums.insert(
        session,
        [
            AlbumPhoto(
                id=new_id(Prefix.ALBUM_PHOTO),
                owner_id=owner_id,
                subject_id=subject_id,
                blob_sha256=photo.ref.sha256,
                size_bytes=photo.ref.size_bytes,
                label=photo.label,
                include=photo.media_type is not None,
                status=PhotoStatus.PENDING if photo.media_type is not None else PhotoStatus.LEFT_OUT,
                code="" if photo.media_type is not None else _NO_PHOTO,
                reason="" if photo.media_type is not None else f"The file is not a {kinds()} photo.",
                created_at=now,
            )
            for photo in joining
        ],
    )
    blobs.mark_ready(session, *(photo.ref for photo in joining))
    included = checkpoints.included(albums.photos_of(session, owner_id, subject_id))
    if order.tune:
        tuning = checkpoints.tune(session, subject, included, recipe, offer, order.seed, JobKind.ALBUM)
        if not tuning.new and tuning.checkpoint.status == "ready":
            subject.default_checkpoint_id = tuning.checkpoint.id
        if tuning.job is not None:
            return _naming_files(tuning.job, order) if tuning.new else tuning.job, tuning.new
    return _naming_files(_look_only(session, subject, included, recipe, offer, order.seed), order), True


def _naming_files(job: Job, order: AlbumOrder) -> Job:
    """A new job says which uploads it is about: with the subject they are to be found again."""
    if order.file_ids:
        job.options = job.options | {"file_ids": list(order.file_ids)}
    return job


def _look_only(
    session: Session, subject: Subject, photos: Sequence[AlbumPhoto], recipe: Recipe, offer: Offer, seed: int
) -> Job:
    options = {"tune": False} | checkpoints.job_options(photos)
    order = Order(JobKind.ALBUM, recipe, offer.prior, seed, 0, options, {"subject_id": subject.id})
    return enqueue(session, subject.owner_id, order)


def _joining(session: Session, subject: Subject, photos: Sequence[NewPhoto]) -> list[NewPhoto]:
    """Those that are not in the album yet; checked together with those that are."""
    if Category(subject.category).needs_consent and subject.consent is None:
        raise ConsentMissingError(
            "Nobody said who agreed that this person's photos are kept.", "PATCH the subject with its consent first."
        )
    there = albums.photos_of(session, subject.owner_id, subject.id)
    known = {photo.blob_sha256 for photo in there}
    joining = [photo for photo in photos if photo.ref.sha256 not in known]
    if len(there) + len(joining) > MOST_PHOTOS:
        raise InvalidRequestError(
            f"The album would have {len(there) + len(joining):,} photos; the most is {MOST_PHOTOS:,}.",
            "About twenty varied photos are best: send fewer.",
            pointer="/file",
        )
    usable = sum(map(checkpoints.may_be_kept, there))
    checkpoints.refuse_too_small(usable + sum(photo.media_type is not None for photo in joining))
    return joining


def report(session: Session, owner_id: str, subject_id: str) -> tuple[Subject, Sequence[AlbumPhoto]]:
    """The subject, with what its album lacks, and the album, photo by photo: kept or left out, and why.

    Raises:
        NotFoundError: no such subject.
    """
    return subjects.get(session, owner_id, subject_id), albums.photos_of(session, owner_id, subject_id)


def photo(session: Session, owner_id: str, subject_id: str, photo_id: str) -> AlbumPhoto:
    """One photo of an album.

    Raises:
        NotFoundError: no such subject, or none of its photos.
    """
    subjects.get(session, owner_id, subject_id)
    found = albums.get(session, owner_id, subject_id, photo_id)
    if found is None:
        raise NotFoundError("There is no such photo in this album.", "GET /v1/subjects/{id}/album lists them.")
    return found


def include(session: Session, owner_id: str, subject_id: str, photo_id: str, wanted: bool) -> AlbumPhoto:
    """Leave a photo out of the next tunings, take it in again, or insist on one that curation left out.

    What was taken out by its owner is looked at anew when it comes back. What curation left out, and is wanted all the
    same, is kept next time if it shows a face that can be restored.

    Raises:
        NotFoundError: no such subject, or none of its photos.
    """
    subjects.get(session, owner_id, subject_id, lock=True)
    found = photo(session, owner_id, subject_id, photo_id)
    if not wanted:
        found.include, found.insisted, found.held_out = False, False, False
        found.status, found.code, found.reason = PhotoStatus.LEFT_OUT, EXCLUDED, "Its owner left it out."
    elif found.status == PhotoStatus.LEFT_OUT:
        found.insisted = found.include
        found.include = True
        found.status, found.code, found.reason = PhotoStatus.PENDING, "", ""
    session.flush()
    return found


def thumbnail(session: Session, owner_id: str, subject_id: str, photo_id: str) -> bytes:
    """A photo's thumbnail, JPEG: the person's face, or the whole photo where that is not in it.

    Raises:
        NotFoundError: no such subject, none of its photos, or nobody has looked at it yet.
    """
    subjects.get(session, owner_id, subject_id)
    found = albums.thumbnail(session, owner_id, subject_id, photo_id)
    if found is None:
        raise NotFoundError(
            "There is no thumbnail of this photo.", "Wait until the album's job has looked at it; GET …/image shows it."
        )
    return found


def photo_ref(found: AlbumPhoto) -> BlobRef:
    """Where a photo's bytes are."""
    return BlobRef(found.owner_id, found.blob_sha256, found.size_bytes)

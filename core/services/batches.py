"""Batches: many photos restored alike. Each is a restoration of its own; a batch counts, collects and stops them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from core.db import batches, queue, restorations
from core.db.session import now_of
from core.db.tables import Batch, File, Job, Restoration
from core.domain.errors import ConflictError, InvalidRequestError, NotFoundError
from core.domain.ids import Prefix, new_id
from core.imaging.signature import PHOTO_SUFFIXES
from core.services import idempotency
from core.services import restorations as single
from core.services.archive_names import archive_names
from core.services.offer import Offer
from core.services.terms import Terms
from core.services.wanted import Wanted
from core.storage.base import BlobRef

MOST_PHOTOS = 1_000


@dataclass(frozen=True)
class Rejected:
    """A file that was sent along and is no photo: it is told of, and the others go on.

    Attributes:
        label: what its owner calls it.
        code: of the error that it would be by itself.
        detail: what is wrong with it.
        advice: what to do.
    """

    label: str
    code: str
    detail: str
    advice: str

    def as_json(self) -> dict[str, str]:
        """As it stands in the batch's row."""
        return {"label": self.label, "code": self.code, "detail": self.detail, "advice": self.advice}


@dataclass(frozen=True)
class BatchView:
    """A batch and where its restorations stand.

    Attributes:
        batch: the row.
        counts: how many jobs are in each status; of statuses that none is in, nothing.
        members: restorations with their jobs, in order; empty where only the counts were asked for.
    """

    batch: Batch
    counts: Mapping[str, int]
    members: Sequence[tuple[Restoration, Job]] = ()


@dataclass(frozen=True)
class Result:
    """One file of a batch's archive."""

    name: str
    ref: BlobRef


def check(session: Session, owner_id: str, photos: int, wanted: Wanted, offer: Offer) -> None:
    """Refuse what can be refused before anything is stored.

    Raises:
        InvalidRequestError: no photo, or too many.
        HeirloomError: as for `core.services.restorations.prepare`.
    """
    if not photos:
        raise InvalidRequestError(
            "Nothing that was sent is a photo.", "Send photos, or one zip of them.", pointer="/file"
        )
    if photos > MOST_PHOTOS:
        raise InvalidRequestError(
            f"These are {photos:,} photos; the most in one batch is {MOST_PHOTOS:,}.",
            "Send them in several batches.",
            pointer="/file",
        )
    single.prepare(session, owner_id, wanted, offer)


def create(
    session: Session,
    owner_id: str,
    files: Sequence[File],
    rejected: Sequence[Rejected],
    wanted: Wanted,
    offer: Offer,
    terms: Terms,
) -> BatchView:
    """Queue a restoration for each photo: all of them, or none.

    Args:
        session: the transaction.
        owner_id: whose.
        files: the photos, in order.
        rejected: what came along and is none.
        wanted: of every photo.
        offer: recipes and prior.
        terms: for how long things are kept.

    Raises:
        HeirloomError: as for `check`.
    """
    check(session, owner_id, len(files), wanted, offer)
    now = now_of(session)
    batch = batches.insert(
        session,
        Batch(
            id=new_id(Prefix.BATCH),
            owner_id=owner_id,
            photos=len(files),
            rejected=[one.as_json() for one in rejected],
            created_at=now,
            expires_at=now + terms.photo_life,
        ),
    )
    for place, file in enumerate(files):
        restoration, _ = single.create(session, owner_id, file, wanted, offer, terms)
        restoration.batch_id, restoration.batch_place, restoration.label = batch.id, place, file.name
    session.flush()
    return get(session, owner_id, batch.id)


def get(session: Session, owner_id: str, batch_id: str) -> BatchView:
    """A batch with its restorations.

    Raises:
        NotFoundError: there is none.
    """
    batch = _row(session, owner_id, batch_id)
    counts = batches.counts(session, owner_id, [batch_id])[batch_id]
    return BatchView(batch, counts, batches.members(session, owner_id, batch_id))


def listed(session: Session, owner_id: str, limit: int, before_id: str | None) -> list[BatchView]:
    """An owner's batches with their counts, newest first."""
    rows = batches.listed(session, owner_id, limit, before_id)
    counts = batches.counts(session, owner_id, [row.id for row in rows])
    return [BatchView(row, counts[row.id]) for row in rows]


def results(session: Session, owner_id: str, batch_id: str) -> list[Result]:
    """What of a batch is done, under names that are safe anywhere and different from each other.

    Raises:
        NotFoundError: there is no such batch.
        ConflictError: nothing of it is done.
    """
    _row(session, owner_id, batch_id)
    done = [row for row, _ in batches.members(session, owner_id, batch_id) if row.image_sha256 is not None]
    if not done:
        raise ConflictError("Nothing of this batch is done yet.", "GET the batch: it counts what is.")
    names = archive_names((row.label or "", PHOTO_SUFFIXES.get(row.image_media_type or "", "png")) for row in done)
    return [
        Result(name, BlobRef(owner_id, row.image_sha256 or "", row.image_size_bytes or 0))
        for name, row in zip(names, done, strict=True)
    ]


def stop_some(session: Session, owner_id: str, batch_id: str, most: int = 100) -> bool:
    """Stop jobs of a batch that have not ended: queued ones at once, running ones within a step.

    A thousand in one transaction would make everybody else wait for seconds: it is called until nothing is left.

    Returns:
        Whether there may be more.

    Raises:
        NotFoundError: there is no such batch.
    """
    _row(session, owner_id, batch_id)
    open_jobs = batches.unstopped(session, owner_id, batch_id, most)
    for job_id in open_jobs:
        queue.request_cancel(session, owner_id, job_id)
    return len(open_jobs) == most


def delete(session: Session, owner_id: str, batch_id: str) -> None:
    """Forget a batch, its restorations, what they gave, and the photos that came along; open jobs are stopped.

    Raises:
        NotFoundError: there is none.
    """
    # Jobs are locked first, as workers do: two orders can deadlock.
    while stop_some(session, owner_id, batch_id):
        pass
    ids = batches.restoration_ids(session, owner_id, batch_id)
    restorations.delete_some(session, owner_id, ids)
    batches.delete(session, owner_id, batch_id)
    idempotency.forget_about(session, owner_id, batch_id, *ids)


def _row(session: Session, owner_id: str, batch_id: str) -> Batch:
    row = batches.get(session, owner_id, batch_id)
    if row is None:
        raise NotFoundError("There is no such batch.", "GET /v1/batches lists yours.")
    return row

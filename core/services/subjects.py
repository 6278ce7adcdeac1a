"""Subjects: made with consent, changed, and forgotten with everything that was made of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from core.db import albums, batches, checkpoints, files, jobs, outbox, queue, restorations, subjects
from core.db.session import now_of
from core.db.tables import Subject
from core.domain.errors import ConsentMissingError, NotFoundError
from core.domain.ids import Prefix, new_id
from core.domain.subject import Category
from core.domain.webhook import WebhookEvent
from core.services import idempotency

STATEMENT = "Their photos may be kept here and a model may be tuned on them."


@dataclass(frozen=True)
class Consent:
    """Who agreed that a person's album is kept.

    Attributes:
        given_by: the person, or who may speak for them.
        given_at: when; None: now.
        statement: to what.
    """

    given_by: str
    given_at: datetime | None = None
    statement: str = STATEMENT

    def as_record(self, now: datetime) -> dict[str, Any]:
        """As it is stored."""
        given_at = (self.given_at or now).isoformat()
        return {"given_by": self.given_by, "given_at": given_at, "statement": self.statement}


@dataclass(frozen=True)
class Receipt:
    """What was removed with a subject.

    Attributes:
        subject_id: whose.
        deleted_at: when.
        album_photos: how many; so are the next.
        checkpoints: of it.
        restorations: that they made.
        files: photos that came along with those.
        jobs_cancelled: that had not ended.
        files_left: ids of uploads that it was made from. They are things of their own: somebody else may be on them.
    """

    subject_id: str
    deleted_at: datetime
    album_photos: int
    checkpoints: int
    restorations: int
    files: int
    jobs_cancelled: int
    files_left: tuple[str, ...]


def create(session: Session, owner_id: str, name: str, category: Category, consent: Consent | None) -> Subject:
    """A new subject, without an album yet.

    Raises:
        ConsentMissingError: a person, and nobody said who agreed.
    """
    now = now_of(session)
    _check_consent(category, consent is not None)
    return subjects.insert(
        session,
        Subject(
            id=new_id(Prefix.SUBJECT),
            owner_id=owner_id,
            name=name,
            category=category,
            consent=consent.as_record(now) if consent is not None else None,
            created_at=now,
            updated_at=now,
        ),
    )


def get(session: Session, owner_id: str, subject_id: str, *, lock: bool = False, pointer: str = "") -> Subject:
    """An owner's subject; `lock` and the rest as for `core.db.subjects.get`.

    Raises:
        NotFoundError: there is none.
    """
    subject = subjects.get(session, owner_id, subject_id, lock=lock)
    if subject is None:
        raise NotFoundError("There is no such subject.", "GET /v1/subjects lists yours.", pointer=pointer)
    return subject


def listed(session: Session, owner_id: str, limit: int, before_id: str | None) -> Sequence[Subject]:
    """An owner's subjects, newest first."""
    return subjects.listed(session, owner_id, limit, before_id)


def change(
    session: Session,
    owner_id: str,
    subject_id: str,
    name: str | None = None,
    category: Category | None = None,
    consent: Consent | None = None,
) -> Subject:
    """Change what is given, leave the rest.

    Raises:
        NotFoundError: there is none.
        ConsentMissingError: it would become a person, and nobody said who agreed.
    """
    subject = get(session, owner_id, subject_id, lock=True)
    now = now_of(session)
    category = category or Category(subject.category)
    _check_consent(category, consent is not None or subject.consent is not None)
    subject.name = subject.name if name is None else name
    subject.category = category
    subject.consent = subject.consent if consent is None else consent.as_record(now)
    subject.updated_at = now
    session.flush()
    return subject


def delete(session: Session, owner_id: str, subject_id: str) -> Receipt:
    """Forget a subject: album, checkpoints, what workers stored on the way, and every result made with them.

    The answers that were kept for repetitions are emptied, too, and batches go of which nothing is left. Uploads stay,
    and the receipt names them.

    A tombstone stays, without name or consent: workers check it, so that a job under way cannot bring anything back.

    Raises:
        NotFoundError: there is none.
    """
    subject = get(session, owner_id, subject_id, lock=True)
    now = now_of(session)
    cancelled = [
        queue.request_cancel(session, owner_id, job_id) for job_id in jobs.open_of(session, owner_id, subject_id)
    ]
    jobs.forget_outputs(session, owner_id, subject_id)
    results = restorations.of_subject(session, owner_id, subject_id)
    photos = [result.file_id for result in results if result.file_id is not None]
    used = files.used_for(session, owner_id, subject_id, photos)
    ids, of_batches = [result.id for result in results], {result.batch_id for result in results if result.batch_id}
    files_gone = restorations.delete_some(session, owner_id, ids)
    restorations.forget_proposals(session, owner_id, subject_id)
    emptied = batches.delete_emptied(session, owner_id, of_batches)
    idempotency.forget_about(session, owner_id, subject_id, *ids, *emptied)
    receipt = Receipt(
        subject_id=subject_id,
        deleted_at=now,
        album_photos=albums.delete_of(session, owner_id, subject_id),
        checkpoints=checkpoints.delete_of(session, owner_id, subject_id),
        restorations=len(results),
        files=files_gone,
        jobs_cancelled=len(cancelled),
        files_left=tuple(files.present(session, owner_id, used)),
    )
    subject.name, subject.consent, subject.default_checkpoint_id, subject.album_report = "", None, None, None
    subject.updated_at = subject.deleted_at = now
    outbox.append(session, owner_id, WebhookEvent.SUBJECT_DELETED, now, {"subject_id": subject_id})
    session.flush()
    return receipt


def _check_consent(category: Category, given: bool) -> None:
    if category.needs_consent and not given:
        raise ConsentMissingError(
            "A person's photos are kept only with that person's consent.",
            "Say who agreed: consent: {given_by: NAME}.",
            pointer="/consent",
        )

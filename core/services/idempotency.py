"""Idempotency-Key: a POST that is repeated with the same key and body gets the first one's answer.

A key is reserved in a transaction of its own before the work begins; the answer is kept in the transaction that does
the work, so that both are there or neither. Work that came to nothing gives the key back.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from core.db import idempotency
from core.db.session import now_of
from core.domain.errors import ConflictError, IdempotencyInFlightError, IdempotencyMismatchError

LIFE = timedelta(hours=24)
IN_FLIGHT_LIFE = timedelta(minutes=10)
"""After that a request without an answer is taken for dead: its process ended before it could give the key back."""


@dataclass(frozen=True)
class StoredAnswer:
    """What the first request was answered."""

    status: int
    headers: dict[str, Any]
    body: bytes


def is_known(session: Session, owner_id: str, key: str) -> bool:
    """Whether a request came with this key before, and was answered or is being answered."""
    return idempotency.is_kept(session, owner_id, key, now_of(session))


def reserve(session: Session, owner_id: str, key: str, request_sha256: str) -> StoredAnswer | None:
    """Take a key for a request.

    Args:
        session: a transaction of its own, committed before the work begins.
        owner_id: whose key.
        key: as the caller chose it.
        request_sha256: of method, path and body.

    Returns:
        The answer of the first request; None if this is the first.

    Raises:
        IdempotencyMismatchError: the key was used for another request.
        IdempotencyInFlightError: the first request is still being answered.
        ConflictError: what the first request was about was deleted since.
    """
    now = now_of(session)
    idempotency.delete_expired(session, now, owner_id)
    if idempotency.insert(session, owner_id, key, request_sha256, now, now + IN_FLIGHT_LIFE):
        return None
    known = idempotency.get(session, owner_id, key)
    if known is not None and known.status_code is not None and known.body is None:
        raise ConflictError(
            "What the first request with this Idempotency-Key was about has been deleted.",
            "Use a new key to have it done anew.",
        )
    if known is not None and known.request_sha256 != request_sha256:
        raise IdempotencyMismatchError(
            "This Idempotency-Key was used for another request.", "Use a new key for each new request."
        )
    if known is None or known.status_code is None:
        raise IdempotencyInFlightError(
            "The first request with this Idempotency-Key is still being answered.", "Repeat it in a few seconds."
        )
    return StoredAnswer(known.status_code, known.headers, known.body or b"")


def keep(session: Session, owner_id: str, key: str, answer: StoredAnswer) -> None:
    """Keep an answer for a day, in the transaction that did the work."""
    expires_at = now_of(session) + LIFE
    idempotency.answer(session, owner_id, key, answer.status, answer.headers, answer.body, expires_at)


def forget_about(session: Session, owner_id: str, *thing_ids: str) -> None:
    """Forget what was answered about things that are deleted in this transaction; no repetition makes them anew.

    Args:
        session: the transaction.
        owner_id: whose.
        thing_ids: in the answers; what they are called there is gone with them.
    """
    if len(thing_ids) == 1:
        idempotency.forget_about(session, owner_id, thing_ids[0])
    else:
        idempotency.forget_about_any(session, owner_id, thing_ids)


def release(session: Session, owner_id: str, key: str) -> None:
    """Give a key back whose request came to nothing."""
    idempotency.release(session, owner_id, key)

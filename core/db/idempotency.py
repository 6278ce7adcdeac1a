"""The answers to POSTs, kept for their repetition."""

import re
from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import LargeBinary, delete, func, literal, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core.db.tables import IdempotencyKey
from core.domain.ids import ID_PATTERN_TAIL

_ID = re.compile(rf"[a-z]{{3}}_{ID_PATTERN_TAIL}".encode())


def get(session: Session, owner_id: str, key: str) -> IdempotencyKey | None:
    """What is known of a key; locked, so that two repetitions do not both take it over."""
    query = select(IdempotencyKey).where(IdempotencyKey.owner_id == owner_id, IdempotencyKey.key == key)
    return session.scalars(query.with_for_update()).first()


def is_kept(session: Session, owner_id: str, key: str, now: datetime) -> bool:
    """Whether a key is known; nothing is locked."""
    query = select(IdempotencyKey.key).where(IdempotencyKey.owner_id == owner_id, IdempotencyKey.key == key)
    return session.scalars(query.where(IdempotencyKey.expires_at > now)).first() is not None


def insert(session: Session, owner_id: str, key: str, request_sha256: str, now: datetime, expires_at: datetime) -> bool:
    """Note that a request is being answered; False where another was noted in this moment."""
    row = IdempotencyKey(
        owner_id=owner_id,
        key=key,
        request_sha256=request_sha256,
        status_code=None,
        headers={},
        body=None,
        created_at=now,
        expires_at=expires_at,
    )
    try:
        with session.begin_nested():
            session.add(row)
            session.flush()
    except IntegrityError:
        return False
    return True


def answer(
    session: Session, owner_id: str, key: str, status: int, headers: dict[str, Any], body: bytes, expires_at: datetime
) -> None:
    """Keep the answer, in the transaction that makes it true."""
    row = session.get(IdempotencyKey, (owner_id, key))
    if row is not None:
        row.status_code, row.headers, row.body, row.expires_at = status, headers, body, expires_at
        session.flush()


def release(session: Session, owner_id: str, key: str) -> None:
    """Forget a key whose request came to nothing."""
    session.execute(
        delete(IdempotencyKey).where(
            IdempotencyKey.owner_id == owner_id, IdempotencyKey.key == key, IdempotencyKey.status_code.is_(None)
        )
    )


def forget_about(session: Session, owner_id: str, thing_id: str) -> None:
    """Empty an owner's answers that name a thing: that there was one stays known, until it expires."""
    name = literal(thing_id.encode(), LargeBinary)
    postgres = session.get_bind().dialect.name == "postgresql"
    place = func.position(name.op("IN")(IdempotencyKey.body)) if postgres else func.instr(IdempotencyKey.body, name)
    session.execute(
        update(IdempotencyKey)
        .where(IdempotencyKey.owner_id == owner_id, place > 0)
        .values(request_sha256="", headers={}, body=None)
        .execution_options(synchronize_session=False)
    )


def delete_expired(session: Session, now: datetime, owner_id: str | None = None) -> None:
    """Forget what was kept long enough."""
    expired = IdempotencyKey.expires_at <= now
    mine = IdempotencyKey.owner_id == owner_id if owner_id is not None else expired
    session.execute(delete(IdempotencyKey).where(expired, mine))


def forget_about_any(session: Session, owner_id: str, thing_ids: Collection[str]) -> None:
    """As `forget_about`, of many things in one pass."""
    wanted = {thing_id.encode() for thing_id in thing_ids}
    kept = select(IdempotencyKey).where(IdempotencyKey.owner_id == owner_id, IdempotencyKey.body.is_not(None))
    for row in session.scalars(kept.execution_options(yield_per=100)):
        if not wanted.isdisjoint(_ID.findall(row.body or b"")):
            row.request_sha256, row.headers, row.body = "", {}, None
    session.flush()

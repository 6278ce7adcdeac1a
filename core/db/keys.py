"""Bearer keys: rows that hold a hash, never a secret."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core.db.tables import ApiKey, Owner


def insert(session: Session, key: ApiKey) -> ApiKey:
    """A new key."""
    session.add(key)
    session.flush()
    return key


def get(session: Session, key_id: str) -> ApiKey | None:
    """A key by its id, whoever's it is: this is how a caller is found."""
    return session.get(ApiKey, key_id)


def listed(session: Session, owner_id: str | None = None) -> Sequence[tuple[ApiKey, Owner]]:
    """All keys with their owners, oldest first, or one owner's."""
    query = select(ApiKey, Owner).join(Owner, Owner.id == ApiKey.owner_id).order_by(ApiKey.id)
    query = query if owner_id is None else query.where(ApiKey.owner_id == owner_id)
    return [(key, owner) for key, owner in session.execute(query)]


def touch(session: Session, key_id: str, now: datetime) -> None:
    """Note that a key was used."""
    session.execute(update(ApiKey).where(ApiKey.id == key_id).values(last_used_at=now))

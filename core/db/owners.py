"""Owners: whose things they are."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.db.tables import Owner
from core.domain.ids import Prefix, new_id

LOCAL_OWNER_ID = "own_local"
"""Of the embedded mode without keys; the first migration makes it."""


def get(session: Session, owner_id: str) -> Owner | None:
    """An owner."""
    return session.get(Owner, owner_id)


def named(session: Session, name: str) -> Owner | None:
    """The owner of a name; the first, where there are several."""
    return session.scalars(select(Owner).where(Owner.name == name).order_by(Owner.id).limit(1)).first()


def insert(session: Session, name: str, now: datetime, owner_id: str | None = None) -> Owner:
    """A new owner."""
    owner = Owner(id=owner_id or new_id(Prefix.OWNER), name=name, created_at=now)
    session.add(owner)
    session.flush()
    return owner

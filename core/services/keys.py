"""Bearer keys: made, listed, revoked. A secret is shown once, and nobody can show it again."""

import secrets
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from core.db import keys, owners
from core.db.session import now_of
from core.db.tables import ApiKey, Owner
from core.domain.errors import InvalidRequestError, NotFoundError
from core.domain.ids import Prefix, new_id
from core.services.access import Scope, hash_of

_SECRET_BYTES = 32


def create(
    session: Session,
    owner_name: str,
    name: str,
    scopes: Sequence[Scope] = (Scope.READ, Scope.WRITE),
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """A new key, and its owner where there is none of that name.

    Args:
        session: the transaction.
        owner_name: whose things the key reaches; keys of one owner share them.
        name: what the key is for.
        scopes: what it may.
        expires_at: when it ends; None: never.

    Returns:
        The key's row, and the token to send: it stands nowhere else.

    Raises:
        InvalidRequestError: no scope, or an end that has passed.
    """
    now = now_of(session)
    if not scopes:
        raise InvalidRequestError("A key without a scope may do nothing.", "Give it read, write or admin.")
    if expires_at is not None and expires_at <= now:
        raise InvalidRequestError("This key would have expired already.", "Choose a moment that is to come.")
    owner = owners.named(session, owner_name) or owners.insert(session, owner_name, now)
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    key = keys.insert(
        session,
        ApiKey(
            id=new_id(Prefix.KEY),
            owner_id=owner.id,
            name=name,
            secret_sha256=hash_of(secret),
            scopes=sorted({str(scope) for scope in scopes}),
            created_at=now,
            expires_at=expires_at,
        ),
    )
    return key, f"hl_{key.id.removeprefix(f'{Prefix.KEY}_')}_{secret}"


def listed(session: Session) -> Sequence[tuple[ApiKey, Owner]]:
    """Every key with its owner, oldest first."""
    return keys.listed(session)


def revoke(session: Session, key_id: str) -> ApiKey:
    """End a key at once; one that is revoked already stays as it was.

    Raises:
        NotFoundError: there is none of that id.
    """
    key = keys.get(session, key_id)
    if key is None:
        raise NotFoundError(f"There is no key {key_id}.", "`heirloom keys list` shows them.")
    if key.revoked_at is None:
        key.revoked_at = now_of(session)
        session.flush()
    return key

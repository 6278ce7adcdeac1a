"""Who calls: a bearer key `hl_<id>_<secret>`, compared by hash and in constant time."""

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy.orm import Session

from core.db import keys
from core.db.owners import LOCAL_OWNER_ID
from core.db.session import now_of
from core.domain.errors import ForbiddenError, UnauthenticatedError
from core.domain.ids import ID_PATTERN_TAIL, Prefix

TOUCH_EVERY = timedelta(minutes=1)
_TOKEN = re.compile(rf"hl_({ID_PATTERN_TAIL})_([0-9A-Za-z_-]{{20,128}})")
_ADVICE = "Send `Authorization: Bearer hl_…`; `heirloom keys create` makes a key and shows it once."


class Scope(StrEnum):
    """What a key may do; `admin` covers the others."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


@dataclass(frozen=True)
class Caller:
    """Who calls.

    Attributes:
        owner_id: whose things they see and make.
        scopes: what they may.
        key_id: of their key; None without one.
        key_used_at: when it was noted last that the key was used.
    """

    owner_id: str
    scopes: frozenset[Scope]
    key_id: str | None = None
    key_used_at: datetime | None = None

    def require(self, scope: Scope) -> None:
        """Stop here where the key does not cover something.

        Raises:
            ForbiddenError: it does not.
        """
        if not self.scopes & {scope, Scope.ADMIN}:
            raise ForbiddenError(
                f"This key lacks the scope {scope}.", f"Use a key that has it: `heirloom keys create --scope {scope}`."
            )


LOCAL_CALLER = Caller(LOCAL_OWNER_ID, frozenset(Scope))
"""Of the embedded mode without keys: whoever sits at this machine."""


def hash_of(secret: str) -> str:
    """What is kept of a secret. It is long and random, so that one round of sha256 is enough."""
    return hashlib.sha256(secret.encode()).hexdigest()


def authenticate(session: Session, token: str | None) -> Caller:
    """The caller of a bearer token.

    Raises:
        UnauthenticatedError: none, or not a key of ours, or one that is revoked or over: which, is not told.
    """
    parts = _TOKEN.fullmatch(token or "")
    if parts is None:
        raise UnauthenticatedError("This needs a key.", _ADVICE)
    key = keys.get(session, f"{Prefix.KEY}_{parts[1]}")
    # An unknown id is compared too, so that the time taken does not tell it from a wrong secret.
    expected = key.secret_sha256 if key is not None else hash_of("")
    right = hmac.compare_digest(expected, hash_of(parts[2]))
    if key is None or not right:
        raise UnauthenticatedError("This key is not known.", _ADVICE)
    now = now_of(session)
    if key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= now):
        raise UnauthenticatedError("This key is not known.", _ADVICE)
    scopes = frozenset(Scope(scope) for scope in key.scopes)
    return Caller(key.owner_id, scopes, key.id, key.last_used_at)


def note_use(session: Session, caller: Caller) -> None:
    """Write down that a key was used."""
    if caller.key_id is not None:
        keys.touch(session, caller.key_id, now_of(session))


def use_is_noted(caller: Caller, now: datetime) -> bool:
    """Whether that stands there already, about."""
    return caller.key_id is None or (caller.key_used_at is not None and now - caller.key_used_at < TOUCH_EVERY)

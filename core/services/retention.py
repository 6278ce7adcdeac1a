"""Photos, results and checkpoints have their time; who looks after it that nothing stays longer."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy.orm import Session

from core.db import idempotency, retention
from core.db.session import Database, now_of


def forget_expired(database: Database) -> dict[str, int]:
    """Forget everything whose `expires_at` has passed, in short transactions; how many of each kind.

    The bytes go with the next sweep (`core.services.sweep`).
    """
    with database.write() as session:
        idempotency.delete_expired(session, now_of(session))
    forgotten = {kind: _all_of(database, forget) for kind, forget in retention.KINDS.items()}
    database.empty_journal()
    return forgotten


def _all_of(database: Database, forget: Callable[[Session, datetime], int]) -> int:
    forgotten = 0
    while True:
        with database.write() as session:
            some = forget(session, now_of(session))
        forgotten += some
        if not some:
            return forgotten

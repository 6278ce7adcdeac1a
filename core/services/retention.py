"""Photos, results and checkpoints have their time; who looks after it that nothing stays longer."""

from collections import Counter

from core.db import retention
from core.db.session import Database, now_of


def forget_expired(database: Database) -> dict[str, int]:
    """Forget everything whose `expires_at` has passed, in short transactions; how many of each kind.

    The bytes go with the next sweep (`core.services.sweep`).
    """
    forgotten: Counter[str] = Counter()
    while True:
        with database.write() as session:
            some = retention.forget_expired(session, now_of(session))
        forgotten.update(some)
        if not any(some.values()):
            return dict(forgotten)

"""Who may take bytes away: one sweep at a time, and none while somebody needs all of them to stay.

Held by a connection, or by an open file beside the embedded database: with its process it is gone.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from core.db.session import Database
from core.domain.errors import StorageError

_NUMBER = 0x6865_6972_7377_6570  # "heirswep": Postgres names advisory locks by number
_WAIT_SECONDS = 60.0
_PAUSE_SECONDS = 0.2


@contextmanager
def alone(database: Database) -> Iterator[bool]:
    """Keep others from taking bytes while the block runs, and from demanding that they stay.

    Yields:
        Whether that is so; if not, somebody else has it.
    """
    with _holding(database, shared=False) as mine:
        yield mine


@contextmanager
def held_off(database: Database, wait_seconds: float = _WAIT_SECONDS) -> Iterator[None]:
    """While the block runs nothing is swept; several may ask for that at once.

    Args:
        database: whose blobs.
        wait_seconds: for a sweep that is under way.

    Raises:
        StorageError: a sweep is under way for longer than that.
    """
    limit = time.monotonic() + wait_seconds
    while True:
        with _holding(database, shared=True) as mine:
            if mine:
                yield
                return
        if time.monotonic() >= limit:
            raise StorageError("Files that nobody needs are being removed at this moment.", "Try again in a minute.")
        time.sleep(_PAUSE_SECONDS)


@contextmanager
def _holding(database: Database, *, shared: bool) -> Iterator[bool]:
    if not database.is_sqlite:
        with _on_postgres(database, shared=shared) as mine:
            yield mine
        return
    name = database.engine.url.database
    if not name or name == ":memory:":  # of this one thread
        yield True
        return
    with _on_file(f"{name}.sweeping", shared=shared) as mine:
        yield mine


@contextmanager
def _on_postgres(database: Database, *, shared: bool) -> Iterator[bool]:
    kind = "_shared" if shared else ""
    connection = database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")  # idle, in no transaction
    connection.detach()  # closed at the end, and the lock with it, instead of going back into the pool
    with connection:
        mine = bool(connection.scalar(text(f"SELECT pg_try_advisory_lock{kind}(:number)"), {"number": _NUMBER}))
        try:
            yield mine
        finally:
            if mine:  # at once: a server takes a moment to see that a connection was closed
                with suppress(SQLAlchemyError):
                    connection.execute(text(f"SELECT pg_advisory_unlock{kind}(:number)"), {"number": _NUMBER})


@contextmanager
def _on_file(name: str, *, shared: bool) -> Iterator[bool]:
    handle = os.open(name, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        try:
            fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)

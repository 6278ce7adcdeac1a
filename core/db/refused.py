"""A database that answers and takes no writes: full, switched to read-only, or a standby.

Postgres and SQLite say so in many ways; here they become one error, which whoever waits for a database that is away
waits for too.
"""

import sqlite3

from psycopg import errors as postgres
from sqlalchemy import Engine, ExceptionContext, event
from sqlalchemy.exc import OperationalError

_POSTGRES = (postgres.ReadOnlySqlTransaction, postgres.DiskFull)
_SQLITE = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_FULL)
_PRIMARY = 0xFF
"""SQLite's extended codes carry the primary one in their lowest byte."""


class WritesRefusedError(OperationalError):
    """The database answers, and takes no writes at this moment."""


def install(engine: Engine) -> None:
    """Let an engine raise `WritesRefusedError` where its database refuses writes."""
    event.listen(engine, "handle_error", _translated)


def _translated(context: ExceptionContext) -> Exception | None:
    original = context.original_exception
    if not _refuses(original):
        return None
    return WritesRefusedError(context.statement, None, original, hide_parameters=True)


def _refuses(error: BaseException) -> bool:
    if isinstance(error, sqlite3.OperationalError):
        return (getattr(error, "sqlite_errorcode", 0) & _PRIMARY) in _SQLITE
    return isinstance(error, _POSTGRES)

"""Bring a database to the schema of this version: in one transaction, by one process at a time.

Works from the installed package: no alembic.ini, and the revisions lie beside this file.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, TextClause, text
from sqlalchemy.exc import DBAPIError, OperationalError

from core.db.session import Database
from core.db.tables import Base
from core.domain.errors import SettingsError

_LOCK = 0x6865_6972_6C6F_6F6D  # "heirloom": Postgres names advisory locks by number
LOCK_TIMEOUT_SECONDS = 3.0
_TURNS = 20
_PAUSE_SECONDS = 1.0
_BUSY = ("55P03", "40P01")
"""What Postgres says where a lock was waited for too long, and where two waited for each other."""
_ADVICE = "See that the server runs and that HEIRLOOM_DATABASE_URL names it, its user and its password rightly."


def upgrade(url: str) -> None:
    """Bring the database to the newest schema; nothing happens where it is there already.

    All steps are one transaction under a lock: of several processes that start at once one migrates, the others wait.
    Tables that running processes use are waited for in short turns, so that nobody queues up behind the migration.

    Args:
        url: as for `core.db.session.Database`. A SQLite file is made where it is missing, for its owner only.

    Raises:
        SettingsError: the address cannot be read, nobody answers there, the database is a newer version's, or others
            keep a table to themselves all the time.
    """
    for turn in range(_TURNS):
        if turn:
            time.sleep(_PAUSE_SECONDS)
        try:
            with _connected(url, make=True) as connection:
                _lock(connection)
                _refuse_newer(connection)
                command.upgrade(config_on(connection), "head")
                connection.commit()
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) not in _BUSY:
                raise
        else:
            return
    raise SettingsError(
        "Other sessions keep a table to themselves, so that the schema cannot be changed; nothing was.",
        "End what runs for long, a backup or a report, then run `heirloom db upgrade` again.",
    )


def current(url: str) -> str | None:
    """The revision that the database has; None: none.

    Raises:
        SettingsError: the address cannot be read, or nobody answers there.
    """
    if _is_missing(url):
        return None
    with _connected(url) as connection:
        return MigrationContext.configure(connection).get_current_revision()


def is_newer(revision: str | None) -> bool:
    """Whether a database's revision is one that only a newer version of the program knows."""
    return revision is not None and revision not in {
        each.revision for each in ScriptDirectory.from_config(config_on(None)).walk_revisions()
    }


def newest() -> str:
    """The revision that this version of the program needs."""
    head = ScriptDirectory.from_config(config_on(None)).get_current_head()
    if head is None:  # only in a broken installation
        raise SettingsError("The installation has no migrations.", "Install Heirloom again.")
    return head


def check(url: str) -> list[str]:
    """How the database's schema differs from `core.db.tables`, a line each; empty: not at all.

    Raises:
        SettingsError: the address cannot be read, or nobody answers there.
    """
    if _is_missing(url):
        return [f"the database is at revision none, this version needs {newest()}"]
    with _connected(url) as connection:
        context = MigrationContext.configure(
            connection, opts={"include_object": _comparable(on_sqlite=connection.dialect.name == "sqlite")}
        )
        revision, head = context.get_current_revision(), newest()
        if revision != head:
            return [f"the database is at revision {revision or 'none'}, this version needs {head}"]
        return [_line(difference) for difference in compare_metadata(context, Base.metadata)]


def config_on(connection: Connection | None) -> Config:
    """Alembic's configuration; with a connection its commands work on that."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


@contextmanager
def _connected(url: str, *, make: bool = False) -> Iterator[Connection]:
    database = Database(url, pool_size=1)
    try:
        if make and database.is_sqlite:
            _make_private(database.engine)
        try:
            connection = database.engine.connect().execution_options(sqlite_begin="IMMEDIATE" if make else "DEFERRED")
            connection.begin()
        except DBAPIError as error:
            raise SettingsError(f"The database does not answer: {_first_line(error)}.", _ADVICE) from None
        with connection:
            yield connection
    finally:
        database.close()


def _is_missing(url: str) -> bool:
    """Whether it is a SQLite file that is not there: connecting would make one, and looking must not."""
    database = Database(url, pool_size=1)
    name = database.engine.url.database
    database.close()
    return database.is_sqlite and bool(name) and name != ":memory:" and not Path(str(name)).exists()


def _make_private(engine: Engine) -> None:
    """SQLite would make its file for everybody to read."""
    name = engine.url.database
    if not name or name == ":memory:":
        return
    path = Path(name)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def _lock(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        return  # BEGIN IMMEDIATE is the lock
    connection.execute(text("SET LOCAL lock_timeout = 0"))  # another process may be migrating a large table
    connection.execute(text("SET LOCAL statement_timeout = 0"))
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    # Who waits for a table lets everybody else wait behind: never for long, and then from the beginning.
    connection.execute(text(f"SET LOCAL lock_timeout = {int(LOCK_TIMEOUT_SECONDS * 1000)}"))


def _refuse_newer(connection: Connection) -> None:
    revision = MigrationContext.configure(connection).get_current_revision()
    if is_newer(revision):
        raise SettingsError(
            f"The database is at revision {revision}: a newer version of Heirloom than this one made it.",
            "Install that version again, or load the backup from before it.",
        )


def _comparable(on_sqlite: bool) -> Callable[..., bool]:
    """All but SQLite's descending indices: it does not say which way an index goes, so they always look different."""
    descending = {
        index.name
        for table in Base.metadata.tables.values()
        for index in table.indexes
        if any(isinstance(part, TextClause) for part in index.expressions)
    }

    def wanted(_thing: object, name: str | None, kind: str, _reflected: bool, _other: object) -> bool:
        return not (on_sqlite and kind == "index" and name in descending)

    return wanted


def _line(difference: object) -> str:
    return " ".join(str(part) for part in difference) if isinstance(difference, tuple) else str(difference)


def _first_line(error: DBAPIError) -> str:
    return (str(error.orig).strip().splitlines() or ["no reason given"])[0].rstrip(".")

"""Bring a database to the schema of this version: in one transaction, by one process at a time.

Works from the installed package: no alembic.ini, and the revisions lie beside this file.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, TextClause, text
from sqlalchemy.exc import DBAPIError

from core.db.session import Database
from core.db.tables import Base
from core.domain.errors import SettingsError

_LOCK = 0x6865_6972_6C6F_6F6D  # "heirloom": Postgres names advisory locks by number
_ADVICE = "See that the server runs and that HEIRLOOM_DATABASE_URL names it, its user and its password rightly."


def upgrade(url: str) -> None:
    """Bring the database to the newest schema; nothing happens where it is there already.

    All steps are one transaction under a lock: of several processes that start at once one migrates, the others wait.

    Args:
        url: as for `core.db.session.Database`. A SQLite file is made where it is missing, for its owner only.

    Raises:
        SettingsError: the address cannot be read, or nobody answers there.
    """
    with _connected(url, make=True) as connection:
        _lock(connection)
        command.upgrade(config_on(connection), "head")
        connection.commit()


def current(url: str) -> str | None:
    """The revision that the database has; None: none.

    Raises:
        SettingsError: the address cannot be read, or nobody answers there.
    """
    with _connected(url) as connection:
        return MigrationContext.configure(connection).get_current_revision()


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

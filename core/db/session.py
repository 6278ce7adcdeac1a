"""The database: how it is opened, and the two kinds of transaction. Nothing else commits.

Postgres in the server mode, SQLite in the embedded one, the same code on both (durability.md, section 2).
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, func, make_url, select
from sqlalchemy.orm import Session

from core.db import refused
from core.domain.errors import SettingsError

STATEMENT_TIMEOUT_SECONDS = 30
LOCK_TIMEOUT_SECONDS = 10
IDLE_TIMEOUT_SECONDS = 60
SQLITE_BUSY_TIMEOUT_SECONDS = 15
_POOL = 10
_NETWORK = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
"""A database host that vanishes answers nothing at all: without these a query to it waits for many minutes."""
_WRITES = "writes"
_WAL_SAFE = ((3, 51, 3), (3, 50, 7), (3, 44, 6))
"""Older libraries can corrupt a database when its write-ahead log is reset."""


class Database:
    """An opened database.

    Attributes:
        engine: SQLAlchemy's; its pool checks a connection before it hands it out.
    """

    def __init__(self, url: str, pool_size: int = _POOL) -> None:
        """Prepare to connect; the first transaction does.

        Args:
            url: `postgresql+psycopg://…` (or `postgresql://…`), or `sqlite:///FILE`.
            pool_size: connections kept.

        Raises:
            SettingsError: the address is of another kind, or cannot be read.
        """
        self.engine = _engine(url, pool_size)
        refused.install(self.engine)
        self._turn = threading.Lock()

    @property
    def is_sqlite(self) -> bool:
        """Whether this is the embedded database."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A transaction that may write: committed when the block ends, rolled back when it raises.

        On SQLite it takes the one write lock at once (BEGIN IMMEDIATE), so that what it reads stays true. This
        process's own threads take turns before that: SQLite would let them sleep and try again, in no order.
        """
        with self._turns(), Session(self.engine, expire_on_commit=False) as session:
            session.connection(execution_options={"sqlite_begin": "IMMEDIATE"})
            session.info[_WRITES] = True
            try:
                yield session
                session.commit()
            except BaseException:
                session.rollback()
                raise

    @contextmanager
    def _turns(self) -> Iterator[None]:
        # A thread that waits in vain tries all the same: SQLite then says whose fault it is.
        mine = self.is_sqlite and self._turn.acquire(timeout=SQLITE_BUSY_TIMEOUT_SECONDS)
        try:
            yield
        finally:
            if mine:
                self._turn.release()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A transaction that only reads; it is rolled back. What was read stays as it was read."""
        with Session(self.engine, expire_on_commit=False) as session:
            try:
                yield session
            finally:
                session.expunge_all()  # a rollback would empty the rows that the caller keeps
                session.rollback()

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """As `read`, but all its queries see the database at one moment, on Postgres too."""
        with Session(self.engine, expire_on_commit=False) as session:
            session.connection(execution_options={} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"})
            try:
                yield session
            finally:
                session.expunge_all()
                session.rollback()

    def empty_journal(self) -> None:
        """Let SQLite's write-ahead log end, where there is one: it holds pages as they were before a deletion."""
        if self.is_sqlite:
            with self.engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()


def writes(session: Session) -> bool:
    """Whether the transaction may write: what it sees, others may never see."""
    return _WRITES in session.info


def now_of(session: Session) -> datetime:
    """The database's clock: several hosts share it. SQLite has one host, and this is its clock."""
    if session.get_bind().dialect.name == "sqlite":
        return datetime.now(UTC)
    moment: datetime = session.scalars(select(func.clock_timestamp())).one()
    return moment.astimezone(UTC)


def _engine(url: str, pool_size: int) -> Engine:
    try:
        address = make_url(url)
    except Exception:
        raise SettingsError(
            "HEIRLOOM_DATABASE_URL cannot be read.", "Write postgresql://USER:PASSWORD@HOST/NAME, or sqlite:///FILE."
        ) from None  # the original shows the address, and so the password
    backend = address.get_backend_name()
    if backend == "sqlite":
        engine = create_engine(
            address,
            pool_size=pool_size,  # no pre-ping: a file does not hang up
            hide_parameters=True,  # an error's text goes into logs; people's file names do not
            connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
        )
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    if backend not in ("postgresql", "postgres"):  # some hosts' addresses begin with the short form
        raise SettingsError(
            f"HEIRLOOM_DATABASE_URL names {backend}, which is not one of our databases.", "Use Postgres or SQLite."
        )
    options = (
        f"-c statement_timeout={STATEMENT_TIMEOUT_SECONDS}s -c lock_timeout={LOCK_TIMEOUT_SECONDS}s "
        f"-c idle_in_transaction_session_timeout={IDLE_TIMEOUT_SECONDS}s -c timezone=UTC"
    )
    return create_engine(
        address.set(drivername="postgresql+psycopg"),
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_pre_ping=True,
        pool_timeout=LOCK_TIMEOUT_SECONDS,
        hide_parameters=True,
        connect_args={"options": options, "application_name": "heirloom", **_NETWORK},
    )


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver's own BEGIN comes too late; ours is in `_begin_sqlite`
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {SQLITE_BUSY_TIMEOUT_SECONDS * 1000}")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA secure_delete = ON")  # what was deleted would stand in the file until its place is needed
    if _wal_is_safe(sqlite3.sqlite_version_info):
        cursor.execute("PRAGMA journal_mode = WAL")
    cursor.close()


def _wal_is_safe(version: tuple[int, int, int]) -> bool:
    newest, *branches = _WAL_SAFE
    return version >= newest or any(version[:2] == fixed[:2] and version >= fixed for fixed in branches)


def _begin_sqlite(connection: Connection) -> None:
    mode = connection.get_execution_options().get("sqlite_begin", "DEFERRED")
    if mode == "DEFERRED":  # takes no lock, and so cannot fail: the driver's own way costs a fifth
        cursor = connection.connection.cursor()
        cursor.execute("BEGIN DEFERRED")
        cursor.close()
    else:
        connection.exec_driver_sql(f"BEGIN {mode}")

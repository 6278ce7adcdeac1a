"""A database that takes no writes for a while, as an operator or a full disk would have it."""

from collections.abc import Iterator
from contextlib import contextmanager

from core.db.session import Database


@contextmanager
def refuse_writes(database: Database) -> Iterator[None]:
    """Every write inside the block is refused; on SQLite as by a file that is read-only, on Postgres by its setting."""
    if database.is_sqlite:
        on, off = "PRAGMA query_only = ON", "PRAGMA query_only = OFF"
        size = database.engine.pool.size()  # type: ignore[attr-defined]  # a QueuePool
        connections = [database.engine.connect() for _ in range(size)]
        for connection in connections:
            connection.exec_driver_sql(on)
            connection.close()
        yield
        for connection in [database.engine.connect() for _ in range(size)]:
            connection.exec_driver_sql(off)
            connection.close()
        return
    name = database.engine.url.database
    _set(database, f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    yield
    _set(database, f'ALTER DATABASE "{name}" SET default_transaction_read_only = off')


def _set(database: Database, statement: str) -> None:
    with database.engine.connect() as connection:
        connection.exec_driver_sql("SET TRANSACTION READ WRITE")
        connection.exec_driver_sql(statement)
        connection.commit()
    database.engine.dispose()  # connections that are there keep the setting with which they began

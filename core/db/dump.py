"""Every row of every table as JSON, and back again: what backups are made of.

Left out is what is made anew where a backup is loaded: the ledger of blobs and their chunks, and the processes that
worked there.
"""

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Integer, LargeBinary, Table, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from core.db.tables import Base
from core.db.types import Instant

LEFT_OUT = frozenset({"blobs", "blob_chunks", "workers"})
OWNERS = "owners"
_ROWS_AT_ONCE = 200

Row = dict[str, Any]


def tables() -> list[Table]:
    """What is kept, in an order in which it can be written: what others point to comes first."""
    return [table for table in Base.metadata.sorted_tables if table.name not in LEFT_OUT]


def rows(session: Session, table: Table) -> Iterator[Row]:
    """All of a table's rows, as JSON has them; so many at a time are in memory.

    Args:
        session: a snapshot (`Database.snapshot`), so that all tables are of one moment.
        table: which.
    """
    columns = list(table.columns)
    query = select(table).order_by(*table.primary_key.columns)
    for found in session.execute(query, execution_options={"yield_per": _ROWS_AT_ONCE}):
        yield {column.name: _plain(column, value) for column, value in zip(columns, found, strict=True)}


def values(table: Table, row: Mapping[str, Any]) -> Row:
    """A row's values as the table takes them.

    Raises:
        ValueError: it has other columns than the table, or values of other types.
    """
    if set(row) != set(table.columns.keys()):
        raise ValueError(f"a row of {table.name} has other columns than the table")
    return {column.name: _typed(column, row[column.name]) for column in table.columns}


def insert(session: Session, table: Table, rows: Sequence[Row]) -> None:
    """Write rows from `values`; an owner who is there already becomes as the row says."""
    if table.name == OWNERS:
        _upsert(session, table, rows)
    elif rows:
        session.execute(table.insert(), list(rows))


def is_empty(session: Session) -> bool:
    """Whether nothing was ever kept here; owners alone are nothing: the first migration makes one."""
    return not any(
        session.execute(select(*table.primary_key.columns).limit(1)).first()
        for table in tables()
        if table.name != OWNERS
    )


def count_on(session: Session) -> None:
    """Let the numbers that the database itself gives begin after the greatest that is there."""
    if session.get_bind().dialect.name == "sqlite":
        return  # it looks by itself
    for table in tables():
        for column in table.primary_key.columns:
            if isinstance(column.type, Integer) and column.autoincrement is True:
                greatest = session.scalar(select(func.max(column)))
                sequence = func.pg_get_serial_sequence(table.name, column.name)
                session.execute(select(func.setval(sequence, greatest or 1, greatest is not None)))


def _upsert(session: Session, table: Table, rows: Sequence[Row]) -> None:
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    for row in rows:
        statement = dialect.insert(table).values(row)
        session.execute(statement.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=row))


def _plain(column: Column[Any], value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds")
    if isinstance(column.type, LargeBinary) and value is not None:
        return base64.b64encode(value).decode("ascii")
    return value


def _typed(column: Column[Any], value: Any) -> Any:
    if value is None:
        return None
    if isinstance(column.type, Instant):
        return datetime.fromisoformat(_text(value))
    if isinstance(column.type, LargeBinary):
        try:
            return base64.b64decode(_text(value), validate=True)
        except binascii.Error as error:
            raise ValueError(f"{column.name} is no base64") from error
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("text was expected")  # noqa: TRY004  # the caller knows one kind of wrong value
    return value

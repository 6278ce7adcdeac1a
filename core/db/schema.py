"""Whether the tables are there, without the migrations at hand: the API may not import those."""

from sqlalchemy import inspect
from sqlalchemy.orm import Session

from core.db.tables import Base


def missing(session: Session) -> list[str]:
    """Tables and columns that this version of the code needs and the database lacks."""
    found = inspect(session.connection())
    there = set(found.get_table_names())
    lacking = sorted(set(Base.metadata.tables) - there)
    for name, table in Base.metadata.tables.items():
        if name in there:
            columns = {column["name"] for column in found.get_columns(name)}
            lacking += [f"{name}.{column.name}" for column in table.columns if column.name not in columns]
    return lacking

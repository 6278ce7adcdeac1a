"""What all tables share: names of constraints, and the kinds of columns that stand in many."""

from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, ForeignKey, Index, MetaData, String, TextClause, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from core.db.types import Instant, Json

ID = String(32)
SHA256 = String(64)


class Base(DeclarativeBase):
    """Constraints have names, so that a migration can change them on every database."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: Instant(), dict[str, Any]: Json, list[Any]: Json}  # noqa: RUF012  # SQLAlchemy's own form


def owner() -> Mapped[str]:
    """Whose a row is."""
    return mapped_column(ID, ForeignKey("owners.id"), index=True)


def flag() -> Mapped[bool]:
    """Off by default, also for versions that do not know the column."""
    return mapped_column(Boolean, default=False, server_default=text("false"))


def word() -> Mapped[str]:
    """Empty by default, as `flag`."""
    return mapped_column(String(16), default="", server_default=text("''"))


def index(name: str, *columns: str | TextClause, where: str) -> Index:
    """An index of some rows only, on both databases: a queue's index must not grow with what was done long ago."""
    return Index(name, *columns, postgresql_where=text(where), sqlite_where=text(where))

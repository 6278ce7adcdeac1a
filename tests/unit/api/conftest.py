from collections.abc import Iterator
from pathlib import Path

import pytest

from core.db.session import Database
from tests.served import Served, served


@pytest.fixture
def api(sqlite_database: Database, tmp_path: Path) -> Iterator[Served]:
    """The API without keys, on SQLite."""
    with served(sqlite_database, tmp_path / "home") as service:
        yield service


@pytest.fixture
def keyed(sqlite_database: Database, tmp_path: Path) -> Iterator[Served]:
    """The API of a server, where every request needs a key."""
    with served(sqlite_database, tmp_path / "home", require_keys=True) as service:
        yield service

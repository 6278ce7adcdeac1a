import shutil
from pathlib import Path

import pytest

from core.db.session import Database
from core.storage.database import DatabaseStore
from core.storage.fs import FileStore
from tests.kept import Kept, fill


@pytest.fixture(scope="session")
def _filled(_sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of an embedded installation with a little of everything in it."""
    home = tmp_path_factory.mktemp("filled")
    database = Database(f"sqlite:///{shutil.copy(_sqlite_template, home / 'heirloom.db')}")
    fill(Kept(database, FileStore(home / "blobs")), home)
    database.close()
    return home


@pytest.fixture
def embedded(_filled: Path, tmp_path: Path):
    """A copy of it: rows in SQLite, bytes in files."""
    shutil.copytree(_filled / "blobs", tmp_path / "blobs")
    database = Database(f"sqlite:///{shutil.copy(_filled / 'heirloom.db', tmp_path / 'embedded.db')}")
    yield Kept(database, FileStore(tmp_path / "blobs"))
    database.close()


@pytest.fixture
def on_server(postgres_database: Database):
    """An empty server: rows and bytes in Postgres."""
    return Kept(postgres_database, DatabaseStore(postgres_database))


@pytest.fixture
def elsewhere(sqlite_url: str, tmp_path: Path):
    """Another embedded installation, empty."""
    database = Database(sqlite_url)
    yield Kept(database, FileStore(tmp_path / "elsewhere"))
    database.close()

"""Which store a driver's name means."""

from pathlib import Path

from core.db.session import Database
from core.domain.errors import SettingsError
from core.storage.base import BlobStore
from core.storage.database import DatabaseStore
from core.storage.fs import FileStore
from core.storage.memory import MemoryStore


def open_store(driver: str, home: Path, database: Database) -> BlobStore:
    """The blob store of a service.

    Args:
        driver: `fs`, `database` or `memory`.
        home: HEIRLOOM_HOME; files lie in its folder `blobs`.
        database: where the `database` driver keeps them.

    Raises:
        SettingsError: no driver has that name.
    """
    if driver == "fs":
        return FileStore(home / "blobs")
    if driver == "database":
        return DatabaseStore(database)
    if driver == "memory":
        return MemoryStore()
    raise SettingsError(f"HEIRLOOM_STORAGE is {driver}, which is no store of ours.", "Use fs or database.")

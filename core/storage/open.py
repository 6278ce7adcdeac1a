"""Which store a driver's name means."""

from pathlib import Path

from core.db.session import Database
from core.domain.errors import SettingsError
from core.storage.base import BlobStore
from core.storage.database import DatabaseStore
from core.storage.fs import FileStore
from core.storage.memory import MemoryStore
from core.storage.s3 import S3Store
from core.storage.s3_place import S3Place


def open_store(driver: str, home: Path, database: Database, place: S3Place | None = None) -> BlobStore:
    """The blob store of a service.

    Args:
        driver: `fs`, `database`, `s3` or `memory`.
        home: HEIRLOOM_HOME; files lie in its folder `blobs`.
        database: where the `database` driver keeps them.
        place: where the `s3` driver does.

    Raises:
        SettingsError: no driver has that name, or it lacks what it needs.
    """
    if driver == "fs":
        return FileStore(home / "blobs")
    if driver == "database":
        return DatabaseStore(database)
    if driver == "s3" and place is not None:
        return S3Store(place, home, database)
    if driver == "memory":
        return MemoryStore()
    raise SettingsError(f"HEIRLOOM_STORAGE is {driver}, which is no store of ours.", "Use fs, database or s3.")

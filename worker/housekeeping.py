"""What a worker does about once an hour for everybody; several at once do no harm."""

from datetime import timedelta

from core import logs
from core.db import usage, workers
from core.db.session import Database, now_of
from core.services.retention import forget_expired
from core.services.sweep import sweep
from core.storage.base import BlobStore

_FORGET_WORKERS_AFTER = timedelta(days=7)
_FORGET_USAGE_AFTER = timedelta(days=400)
"""A year can be looked up."""
_log = logs.get_logger(__name__)


class Housekeeping:
    """Called by the reaper's thread."""

    def __init__(self, database: Database, store: BlobStore) -> None:
        """Bind."""
        self._database = database
        self._store = store

    def __call__(self) -> None:
        """Forget workers that are long gone and what has expired, and sweep the bytes that no row names.

        Raises:
            StorageError: the store cannot be reached.
        """
        with self._database.write() as session:
            now = now_of(session)
            workers.forget_before(session, now - _FORGET_WORKERS_AFTER)
            usage.forget_before(session, now - _FORGET_USAGE_AFTER)
        _log.info("expired", **forget_expired(self._database))
        swept = sweep(self._database, self._store)
        _log.info("swept", blobs=swept.blobs, size_bytes=swept.size_bytes, unfinished=swept.unfinished)

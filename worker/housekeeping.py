"""What a worker does about once an hour for everybody."""

from datetime import timedelta

from core import logs
from core.db import workers
from core.db.session import Database, now_of
from core.settings import Settings
from core.storage.base import BlobStore

_FORGET_WORKERS_AFTER = timedelta(days=7)
_log = logs.get_logger(__name__)


class Housekeeping:
    """Called by the reaper's thread."""

    def __init__(self, database: Database, store: BlobStore, settings: Settings) -> None:
        """Bind."""
        self._database = database
        self._store = store
        self._settings = settings

    def __call__(self) -> None:
        """Forget workers that are long gone."""
        with self._database.write() as session:
            workers.forget_before(session, now_of(session) - _FORGET_WORKERS_AFTER)

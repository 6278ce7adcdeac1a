"""An installation with a little of everything in it, as the API and a worker leave it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.db import blobs, dump
from core.db.session import Database
from core.storage.base import BlobStore, read_blob, write_blob
from tests import pretend_worker, rows
from tests.served import served


@dataclass(frozen=True)
class Kept:
    """A database and its store."""

    database: Database
    store: BlobStore

    def rows(self) -> dict[str, list[dict[str, Any]]]:
        """Everything in the tables that backups hold."""
        with self.database.snapshot() as session:
            return {table.name: list(dump.rows(session, table)) for table in dump.tables()}

    def blobs(self) -> dict[tuple[str, str], bytes]:
        """Everything in the store, by owner and hash."""
        return {(ref.owner_id, ref.sha256): read_blob(self.store, ref) for ref in self.store.refs()}


def fill(kept: Kept, folder: Path) -> Kept:
    """A tuned subject, a restored photo, a deleted subject, a key, a webhook, jobs in every state; no waste."""
    with served(kept.database, folder / "home", kept.store) as api:
        api.tuned()
        api.restored()
        api.key("somebody else")
        api.delivered()
        api.restoration(mode="direct")  # queued
        running = api.restoration(mode="direct")["id"]
        pretend_worker.claim(kept.database, running)
        pretend_worker.fail(kept.database, api.restoration(mode="direct")["id"])
    ref = write_blob(kept.store, rows.OWNER, b"what a stage left" * 100_000)  # more than one part
    with kept.database.write() as session:
        rows.stage_output(session, running, ref.sha256, size_bytes=ref.size_bytes)
        blobs.mark_ready(session, ref)
    return kept

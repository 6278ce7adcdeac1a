"""Mark and sweep: bytes that no row names any more, or that none ever did, go a day after they were last written.

Deleting a photo, a subject or a checkpoint takes its name away, in a transaction; this takes the bytes. A crash between
storing bytes and naming them leaves waste, and this is who finds it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.db import blobs, sweeping
from core.db.session import Database, now_of
from core.storage.base import BlobRef, BlobStore

GRACE = timedelta(hours=24)
"""Longer than any writer takes from its first byte to the row that names the blob."""


@dataclass(frozen=True)
class Swept:
    """What a sweep removed, or would have.

    Attributes:
        blobs: that no row names.
        size_bytes: of those.
        unfinished: that writers left behind when they died; not counted in a dry run.
        put_off: nothing was looked at, because somebody sweeps, or makes or loads a backup, at this moment.
    """

    blobs: int
    size_bytes: int
    unfinished: int
    put_off: bool = False


def sweep(database: Database, store: BlobStore, grace: timedelta = GRACE, *, dry_run: bool = False) -> Swept:
    """Remove what is older than `grace` and named by no row. Beside writers it does no harm.

    Args:
        database: where the names are.
        store: where the bytes are.
        grace: since a blob was last written, found there by a writer, or named.
        dry_run: only count.

    Raises:
        StorageError: the store cannot be reached; what was removed until then stays removed.
    """
    if dry_run:
        waste, _, _ = _marked(database, store, grace)
        return Swept(len(waste), sum(ref.size_bytes for ref in waste), 0)
    with sweeping.alone(database) as mine:
        if not mine:
            return Swept(0, 0, 0, put_off=True)
        waste, ledger, cutoff = _marked(database, store, grace)
        removed = [ref for ref in waste if store.delete(ref, grace.total_seconds())]
        for ref in sorted({*waste, *ledger}):  # a driver with bytes elsewhere leaves its line in the ledger to us
            with database.write() as session:
                blobs.forget(session, ref, cutoff)
        unfinished = store.sweep_unfinished(grace.total_seconds())
    return Swept(len(removed), sum(ref.size_bytes for ref in removed), unfinished)


def _marked(database: Database, store: BlobStore, grace: timedelta) -> tuple[list[BlobRef], list[BlobRef], datetime]:
    """What no row names: bytes, lines of the ledger; and since when neither may have been written."""
    # First what is there, then what is named: a blob that is named in between is spared, one that is stored not seen.
    stored = list(store.refs(grace.total_seconds()))
    with database.snapshot() as session:
        owners = blobs.owners(session)
        named = blobs.named(session)
        cutoff = now_of(session) - grace
        ledger = [BlobRef(row.owner_id, row.sha256, row.size_bytes) for row in blobs.not_renewed_since(session, cutoff)]
    # Bytes of an owner whom this database does not know are another installation's, or those of a lost database.
    return _unnamed([ref for ref in stored if ref.owner_id in owners], named), _unnamed(ledger, named), cutoff


def _unnamed(refs: Iterable[BlobRef], named: set[tuple[str, str]]) -> list[BlobRef]:
    return sorted({ref for ref in refs if (ref.owner_id, ref.sha256) not in named})

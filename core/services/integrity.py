"""Whether everything that is kept is whole: each blob's bytes, each name of one, each row. Nothing is changed."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import select

from core.db import blobs, integrity, sweeping
from core.db.integrity import EXAMPLES, Fault
from core.db.session import Database
from core.db.tables import Blob
from core.domain.errors import BlobDamagedError, BlobMissingError
from core.storage.base import BlobRef, BlobStore

_Name = tuple[str, str]


@dataclass(frozen=True)
class Checked:
    """What was found.

    Attributes:
        faults: what must not be.
        blobs: that rows name.
        size_bytes: of those that were read.
        unnamed: blobs that no row names; they are waste, and no fault: a sweep takes them when they are a day old.
        unnamed_bytes: of those.
    """

    faults: tuple[Fault, ...]
    blobs: int
    size_bytes: int
    unnamed: int
    unnamed_bytes: int


def check(
    database: Database, store: BlobStore, *, read: bool = True, on_blob: Callable[[int, int], None] | None = None
) -> Checked:
    """Look at everything.

    Args:
        database: at this version's revision.
        store: where its blobs are.
        read: every blob, and hash it; otherwise only look whether it is there.
        on_blob: told how many of how many were looked at.

    Raises:
        StorageError: the store cannot be reached, or a sweep does not end.
    """
    with sweeping.held_off(database):  # what is named now is not swept before it was looked at
        stored = {(ref.owner_id, ref.sha256): ref.size_bytes for ref in store.refs()}
        with database.snapshot() as session:
            faults = list(integrity.faults(session))
            owners = blobs.owners(session)
            named = sorted(blobs.named(session))
            query = select(Blob.owner_id, Blob.sha256, Blob.size_bytes, Blob.state)
            ledger = {(row.owner_id, row.sha256): (row.size_bytes, row.state) for row in session.execute(query)}
        unknown = [name for name in named if name not in ledger]
        unready = [name for name in named if name in ledger and ledger[name][1] != blobs.READY]
        looked = _Looked(store, read=read)
        for number, name in enumerate(named, 1):
            looked.at(BlobRef(*name, ledger[name][0] if name in ledger else stored.get(name, 0)))
            if on_blob is not None:
                on_blob(number, len(named))
    faults += _faults("blob_missing", looked.missing, "named by a row, and not there")
    faults += _faults("blob_damaged", looked.damaged, "not as it was stored; it is never used")
    faults += _faults("blob_unlisted", unknown, "named by a row, and not in the ledger")
    faults += _faults("blob_unlisted", unready, "named by a row, and not marked as named: a sweep would take it")
    waste = {name: size for name, size in stored.items() if name[0] in owners and name not in set(named)}
    return Checked(tuple(faults), len(named), looked.size_bytes, len(waste), sum(waste.values()))


class _Looked:
    """At blobs, one by one."""

    def __init__(self, store: BlobStore, *, read: bool) -> None:
        self._store, self._read = store, read
        self.missing: list[_Name] = []
        self.damaged: list[_Name] = []
        self.size_bytes = 0

    def at(self, ref: BlobRef) -> None:
        name = (ref.owner_id, ref.sha256)
        try:
            if self._read:
                self.size_bytes += sum(len(part) for part in self._store.read(ref))
            elif not self._store.exists(ref):
                self.missing.append(name)
        except BlobMissingError:
            self.missing.append(name)
        except BlobDamagedError:
            self.damaged.append(name)


def _faults(code: str, names: Iterable[_Name], text: str) -> Iterator[Fault]:
    found = ["/".join(name) for name in names]
    if found:
        yield Fault(code, "blobs", len(found), tuple(found[:EXAMPLES]), text)

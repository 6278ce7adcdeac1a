"""Where bytes are kept: by the hash of what they are, each owner's apart.

A blob is written through a writer that hashes on the way; it is durable when `finish` returns. The rows that name it
are written afterwards, in a transaction of the caller's. What no row names is swept later: so a crash between the two
leaves waste, never a name without its bytes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

CHUNK_BYTES = 2**20


@dataclass(frozen=True, order=True)
class BlobRef:
    """A blob's name.

    Attributes:
        owner_id: whose it is; the same bytes of two owners are two blobs.
        sha256: of the content, hexadecimal.
        size_bytes: of the content.
    """

    owner_id: str
    sha256: str
    size_bytes: int


class BlobWriter(Protocol):
    """One blob on its way in. Left without `finish`, nothing of it stays."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def write(self, data: bytes) -> None:
        """Append.

        Raises:
            DiskFullError: no space is left.
            StorageError: the store cannot be reached.
        """
        ...

    def finish(self) -> BlobRef:
        """Make it durable under its hash; what was there already under it is kept, if it is sound.

        Raises:
            DiskFullError: no space is left.
            StorageError: the store cannot be reached.
        """
        ...


class BlobStore(Protocol):
    """Keeps blobs. All calls block; several threads and processes may use one store at once."""

    def writer(self, owner_id: str) -> BlobWriter:
        """Begin a blob; use it as a context manager."""
        ...

    def read(self, ref: BlobRef) -> Iterator[bytes]:
        """The content, a mebibyte at a time; its last part comes only once the whole was found to have its hash.

        Raises:
            BlobMissingError: it is not there.
            BlobDamagedError: its size or hash is another.
            StorageError: the store cannot be reached.
        """
        ...

    def exists(self, ref: BlobRef) -> bool:
        """Whether there is such a blob; its content is not looked at."""
        ...

    def delete(self, ref: BlobRef) -> None:
        """Forget it; nothing happens where nothing is."""
        ...

    def refs(self) -> Iterator[BlobRef]:
        """Every finished blob of every owner, in no order."""
        ...

    def sweep_unfinished(self, older_than_seconds: float) -> int:
        """Remove what writers that died left behind; how many."""
        ...


def write_blob(store: BlobStore, owner_id: str, data: bytes) -> BlobRef:
    """Store bytes that are in memory."""
    with store.writer(owner_id) as writer:
        for begin in range(0, len(data), CHUNK_BYTES):
            writer.write(data[begin : begin + CHUNK_BYTES])
        return writer.finish()


def read_blob(store: BlobStore, ref: BlobRef) -> bytes:
    """A whole blob in memory; errors as for `BlobStore.read`."""
    return b"".join(store.read(ref))

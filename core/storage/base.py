"""Where bytes are kept: by the hash of what they are, each owner's apart.

A blob is written through a writer that hashes on the way; it is durable when `finish` returns. The rows that name it
are written afterwards, in a transaction of the caller's. What no row names is swept later: so a crash between the two
leaves waste, never a name without its bytes.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from core.domain.errors import BlobDamagedError, BlobMissingError, StorageError

CHUNK_BYTES = 2**20
_OWNER = re.compile("[a-z0-9_]{1,32}")
_SHA256 = re.compile("[0-9a-f]{64}")
_RESTORE_ADVICE = "Upload the file again, or restore the storage from a backup."


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
        """Begin a blob; use it as a context manager.

        Raises:
            StorageError: no owner has such an id.
        """
        ...

    def read(self, ref: BlobRef) -> Iterator[bytes]:
        """The content, a mebibyte at a time; its last part comes only once the whole was found to have its hash.

        Nothing happens, and nothing is raised, before the first part is asked for.

        Raises:
            BlobMissingError: it is not there.
            BlobDamagedError: its size or hash is another.
            StorageError: the store cannot be reached.
        """
        ...

    def exists(self, ref: BlobRef) -> bool:
        """Whether there is such a blob; its content is not looked at."""
        ...

    def delete(self, ref: BlobRef, unused_seconds: float = 0.0) -> bool:
        """Forget it, unless it was written, or found there by a writer, within so many seconds; whether it was removed.

        Nothing happens where nothing is. A writer that finds the blob and a delete never cross: either the writer comes
        first, and the blob is young again and stays, or the delete does, and the writer stores its own copy.
        """
        ...

    def refs(self, unused_seconds: float = 0.0) -> Iterator[BlobRef]:
        """Every finished blob of every owner that was not written, or found there by a writer, for so many seconds.

        In no order; what is written or deleted meanwhile may be among them or not.
        """
        ...

    def sweep_unfinished(self, older_than_seconds: float) -> int:
        """Remove what writers that died left behind; how many."""
        ...


def check_owner(owner_id: str) -> str:
    """The id, if it is one: it becomes a folder's name in one driver, so that nothing else may pass in any.

    Raises:
        StorageError: it is not.
    """
    if not _OWNER.fullmatch(owner_id):
        raise StorageError(
            "That is no owner's id, so nothing is stored under it.", "This is a fault of ours: report it."
        )
    return owner_id


def check_ref(ref: BlobRef) -> BlobRef:
    """The name, if a blob can have it.

    Raises:
        StorageError: none can.
    """
    check_owner(ref.owner_id)
    if not _SHA256.fullmatch(ref.sha256) or ref.size_bytes < 0:
        raise StorageError("That is no blob's name.", "This is a fault of ours: report it.")
    return ref


def missing(ref: BlobRef) -> BlobMissingError:
    """The error for bytes that are not there."""
    return BlobMissingError(f"The stored bytes {ref.sha256[:12]} are not there.", _RESTORE_ADVICE)


def damaged(ref: BlobRef) -> BlobDamagedError:
    """The error for bytes that are not what they were stored as."""
    return BlobDamagedError(
        f"The stored bytes {ref.sha256[:12]} are damaged: they no longer have the hash they were stored under.",
        _RESTORE_ADVICE,
    )


def verified(ref: BlobRef, parts: Iterable[bytes]) -> Iterator[bytes]:
    """Pass a blob's parts on, one behind: the last only once size and hash of the whole are right.

    Raises:
        BlobDamagedError: they are not.
    """
    digest, size, held = hashlib.sha256(), 0, b""
    for part in parts:
        if held:
            yield held
        digest.update(part)
        size += len(part)
        if size > ref.size_bytes:
            raise damaged(ref)
        held = part
    if size != ref.size_bytes or digest.hexdigest() != ref.sha256:
        raise damaged(ref)
    if held:
        yield held


def is_whole(parts: Iterable[bytes]) -> bool:
    """Whether a blob that is read with `verified` is there, and what its name says; read to its end."""
    try:
        for _ in parts:
            pass
    except (BlobMissingError, BlobDamagedError):
        return False
    return True


def write_blob(store: BlobStore, owner_id: str, data: bytes) -> BlobRef:
    """Store bytes that are in memory."""
    with store.writer(owner_id) as writer:
        for begin in range(0, len(data), CHUNK_BYTES):
            writer.write(data[begin : begin + CHUNK_BYTES])
        return writer.finish()


def read_blob(store: BlobStore, ref: BlobRef) -> bytes:
    """A whole blob in memory; errors as for `BlobStore.read`."""
    return b"".join(store.read(ref))

"""Blobs in this process's memory: for tests, and nothing else."""

import hashlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from core.domain.errors import StorageError
from core.storage.base import CHUNK_BYTES, BlobRef, check_owner, check_ref, missing, verified


@dataclass
class _Kept:
    data: bytes
    renewed_at: float


class MemoryStore:
    """A dictionary that behaves as the other stores do."""

    def __init__(self) -> None:
        """An empty one."""
        self._lock = threading.Lock()
        self._blobs: dict[tuple[str, str], _Kept] = {}

    def writer(self, owner_id: str) -> "MemoryWriter":
        """Begin a blob."""
        return MemoryWriter(self, check_owner(owner_id))

    def read(self, ref: BlobRef) -> Iterator[bytes]:
        """The content, checked."""
        check_ref(ref)
        with self._lock:
            kept = self._blobs.get((ref.owner_id, ref.sha256))
        if kept is None:
            raise missing(ref)
        parts = (kept.data[begin : begin + CHUNK_BYTES] for begin in range(0, len(kept.data), CHUNK_BYTES))
        yield from verified(ref, parts)

    def exists(self, ref: BlobRef) -> bool:
        """Whether it is there."""
        check_ref(ref)
        with self._lock:
            return (ref.owner_id, ref.sha256) in self._blobs

    def delete(self, ref: BlobRef, unused_seconds: float = 0.0) -> bool:
        """Forget it, unless it is younger than that."""
        check_ref(ref)
        with self._lock:
            kept = self._blobs.get((ref.owner_id, ref.sha256))
            if kept is None or (unused_seconds > 0 and time.time() - kept.renewed_at < unused_seconds):
                return False
            del self._blobs[ref.owner_id, ref.sha256]
            return True

    def refs(self, unused_seconds: float = 0.0) -> Iterator[BlobRef]:
        """All of them that are as old as that."""
        before = time.time() - unused_seconds
        with self._lock:
            old = [(name, len(kept.data)) for name, kept in self._blobs.items() if kept.renewed_at <= before]
        return (BlobRef(owner_id, sha256, size) for (owner_id, sha256), size in old)

    def sweep_unfinished(self, older_than_seconds: float) -> int:  # noqa: ARG002  # an unfinished one is in no dictionary
        """Nothing to do: what a writer left is gone with it."""
        return 0

    def keep(self, owner_id: str, data: bytes) -> BlobRef:
        """Store what a writer collected, and make it young."""
        ref = BlobRef(owner_id, hashlib.sha256(data).hexdigest(), len(data))
        with self._lock:
            self._blobs[owner_id, ref.sha256] = _Kept(data, time.time())
        return ref


class MemoryWriter:
    """Collects one blob."""

    def __init__(self, store: MemoryStore, owner_id: str) -> None:
        """Begin."""
        self._store, self._owner_id = store, owner_id
        self._parts: list[bytes] | None = []

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Forget what was not finished."""
        self._parts = None

    def write(self, data: bytes) -> None:
        """Append."""
        self._open().append(bytes(data))

    def finish(self) -> BlobRef:
        """Keep it."""
        parts, self._parts = self._open(), None
        return self._store.keep(self._owner_id, b"".join(parts))

    def _open(self) -> list[bytes]:
        if self._parts is None:
            raise StorageError("This writer has ended.", "This is a fault of ours: report it.")
        return self._parts

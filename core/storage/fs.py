"""Blobs as files: ROOT/OWNER/SHA256, written beside their place, flushed, renamed, and the folder flushed.

Folders and files are for this process's user only (0700, 0600). A lock file in each owner's folder keeps apart a writer
that finds a blob there and a sweep that is about to remove it.
"""

import errno
import fcntl
import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from core.domain.errors import BlobDamagedError, DiskFullError, StorageError
from core.storage.base import CHUNK_BYTES, BlobRef, check_owner, check_ref, damaged, missing, verified

_PART = ".part-"
_LOCK = ".lock"
_FULL = (errno.ENOSPC, errno.EDQUOT)
_SHA256_LENGTH = 64


class FileStore:
    """Blobs under a folder, on a file system that this host's processes share."""

    def __init__(self, root: Path) -> None:
        """Use a folder; it is made with the first blob."""
        self._root = root

    def writer(self, owner_id: str) -> "FileWriter":
        """Begin a blob."""
        return FileWriter(self._root, check_owner(owner_id))

    def read(self, ref: BlobRef) -> Iterator[bytes]:
        """The content, checked."""
        path = self._path(ref)
        with _said("read"):
            try:
                file = path.open("rb")
            except FileNotFoundError:
                raise missing(ref) from None
            with file:
                if os.fstat(file.fileno()).st_size != ref.size_bytes:
                    raise damaged(ref)
                yield from verified(ref, _parts(file))

    def exists(self, ref: BlobRef) -> bool:
        """Whether it is there."""
        with _said("read"):
            return self._path(ref).is_file()

    def delete(self, ref: BlobRef, unused_seconds: float = 0.0) -> bool:
        """Forget it, unless it is younger than that."""
        path = self._path(ref)
        with _said("removed"):
            if not path.parent.is_dir():
                return False
            with _locked(path.parent):
                try:
                    age_seconds = time.time() - path.stat().st_mtime
                    if unused_seconds > 0 and age_seconds < unused_seconds:
                        return False
                    path.unlink()
                except FileNotFoundError:
                    return False
                _flush(path.parent)
        return True

    def refs(self, unused_seconds: float = 0.0) -> Iterator[BlobRef]:
        """All of them that are as old as that."""
        with _said("listed"):
            for path in self._files():
                if len(path.name) != _SHA256_LENGTH:
                    continue
                try:
                    status = path.stat()
                except FileNotFoundError:  # removed meanwhile
                    continue
                if unused_seconds <= 0 or time.time() - status.st_mtime >= unused_seconds:
                    yield BlobRef(path.parent.name, path.name, status.st_size)

    def sweep_unfinished(self, older_than_seconds: float) -> int:
        """Remove temporary files that nobody has written to for so long."""
        removed = 0
        with _said("removed"):
            for path in self._files():
                if path.name.startswith(_PART):
                    with suppress(FileNotFoundError):  # its writer ended meanwhile
                        if time.time() - path.stat().st_mtime >= older_than_seconds:
                            path.unlink()
                            removed += 1
        return removed

    def _files(self) -> Iterator[Path]:
        owners = sorted(self._root.iterdir()) if self._root.is_dir() else []
        for owner in owners:
            if owner.is_dir():
                yield from owner.iterdir()

    def _path(self, ref: BlobRef) -> Path:
        check_ref(ref)
        return self._root / ref.owner_id / ref.sha256


class FileWriter:
    """One file on its way in."""

    def __init__(self, root: Path, owner_id: str) -> None:
        """Prepare; `__enter__` makes the temporary file."""
        self._folder = root / owner_id
        self._owner_id = owner_id
        self._digest = hashlib.sha256()
        self._size = 0
        self._file: BinaryIO | None = None
        self._temporary: Path | None = None

    def __enter__(self) -> Self:
        """Make the temporary file, and the folder where it is missing."""
        with _said("written"):
            _make_folders(self._folder)
            handle, name = tempfile.mkstemp(prefix=_PART, dir=self._folder)  # 0600
            self._file, self._temporary = os.fdopen(handle, "wb"), Path(name)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove what was not finished."""
        if self._file is not None:
            with suppress(OSError):  # what was buffered has nowhere to go on a full disk
                self._file.close()
            self._file = None
        if self._temporary is not None:
            with suppress(OSError):  # swept later
                self._temporary.unlink()
            self._temporary = None

    def write(self, data: bytes) -> None:
        """Append."""
        file = self._open()
        with _said("written"):
            file.write(data)
        self._digest.update(data)
        self._size += len(data)

    def finish(self) -> BlobRef:
        """Flush it, and give it its name; a sound file that has it already is kept and made young."""
        file, temporary = self._open(), self._temporary
        ref = BlobRef(self._owner_id, self._digest.hexdigest(), self._size)
        path = self._folder / ref.sha256
        with _said("written"):
            file.flush()
            os.fsync(file.fileno())
            file.close()
            self._file = None
            sound = _is_sound(path, ref)  # before the lock: hashing a large one takes a while
            with _locked(self._folder):
                if sound and path.exists():
                    os.utime(path)
                elif temporary is not None:
                    temporary.replace(path)
                    self._temporary = None
            _flush(self._folder)  # outside the lock: others' files do not wait for the disk to have this one's name
        return ref

    def _open(self) -> BinaryIO:
        if self._file is None:
            raise StorageError("This writer has ended.", "This is a fault of ours: report it.")
        return self._file


def _is_sound(path: Path, ref: BlobRef) -> bool:
    try:
        with path.open("rb") as file:
            for _ in verified(ref, _parts(file)):
                pass
    except (FileNotFoundError, BlobDamagedError):
        return False
    return True


def _parts(file: BinaryIO) -> Iterator[bytes]:
    while part := file.read(CHUNK_BYTES):
        yield part


def _make_folders(folder: Path) -> None:
    """ROOT and ROOT/OWNER, for their owner only; each is flushed into the one above it."""
    for place in (folder.parent, folder):
        if not place.is_dir():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.mkdir(mode=0o700, exist_ok=True)
            _flush(place.parent)


def _flush(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    handle = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)  # of this opening, so threads exclude each other too; gone with the process
        yield
    finally:
        os.close(handle)


@contextmanager
def _said(verb: str) -> Iterator[None]:
    """From the operating system's errors to ours."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFullError("No space is left where the service keeps its files.", "Free some space.") from error
        raise StorageError(
            f"A stored file cannot be {verb}: {error.strerror or error}.", "See that the storage folder is in order."
        ) from error

"""Artifacts in a folder: what the command line resumes from."""

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from core.domain.errors import AlreadyRunningError, OutputUnwritableError
from core.imaging.files import make_folder, write_atomically

LOCK_FILE = "lock"
_ADVICE = "Set HEIRLOOM_HOME to a folder that you may write to."


class FolderStore:
    """One file per artifact, its sha256 in front: a damaged file reads as absent, so its stage runs again."""

    def __init__(self, folder: Path) -> None:
        """Use, and make where absent, a folder that only this user may read: it holds faces.

        Raises:
            OutputError: it cannot be made.
        """
        self.folder = folder
        make_folder(folder, _ADVICE, mode=0o700)

    @contextmanager
    def locked(self) -> Iterator["FolderStore"]:
        """Keep the folder to this process while the block runs; the system unlocks what a killed process leaves.

        Raises:
            AlreadyRunningError: another process has it: each would delete what the other still needs.
            OutputError: it cannot be used.
        """
        with self._lock():
            yield self

    def _lock(self) -> IO[str]:
        path = self.folder / LOCK_FILE
        while True:
            make_folder(self.folder, _ADVICE, mode=0o700)
            try:
                file = path.open("a")
            except FileNotFoundError:
                continue  # its last owner deleted the folder just now
            except OSError as error:
                raise OutputUnwritableError(f"{self.folder} cannot be used: {error.strerror}.", _ADVICE) from error
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                file.close()
                raise AlreadyRunningError(
                    "The same command is running already.",
                    "Wait until it has ended, or stop it; then run this one again.",
                ) from error
            if os.fstat(file.fileno()).st_nlink:
                return file
            file.close()  # deleted between opening and locking: it guards nothing

    def _path(self, stage: str, item: str, input_hash: str) -> Path:
        key = hashlib.sha256("\0".join((stage, item, input_hash)).encode()).hexdigest()
        return self.folder / f"{stage}-{key}"

    def get(self, stage: str, item: str, input_hash: str) -> bytes | None:
        """See `ArtifactStore.get`."""
        try:
            content = self._path(stage, item, input_hash).read_bytes()
        except OSError:
            return None
        digest, data = content[:32], content[32:]
        return data if hashlib.sha256(data).digest() == digest else None

    def put(self, stage: str, item: str, input_hash: str, data: bytes) -> None:
        """See `ArtifactStore.put`."""
        write_atomically(self._path(stage, item, input_hash), hashlib.sha256(data).digest() + data)

    def discard(self, stage: str, item: str, input_hash: str) -> None:
        """See `ArtifactStore.discard`."""
        with suppress(OSError):  # `delete` tries again
            self._path(stage, item, input_hash).unlink()

    def delete(self) -> None:
        """Forget everything, once the result stands where the user wants it."""
        shutil.rmtree(self.folder, ignore_errors=True)


def delete_stale(parent: Path, older_than_seconds: float) -> int:
    """Delete the stores of runs that nobody took up again.

    Args:
        parent: the folder that holds the stores.
        older_than_seconds: since their last write.

    Returns:
        How many were deleted.
    """
    try:
        stale = [folder for folder in parent.iterdir() if _age_seconds(folder) > older_than_seconds]
    except OSError:  # there is none, or it is not ours to read
        return 0
    for folder in stale:
        shutil.rmtree(folder, ignore_errors=True)
    return len(stale)


def _age_seconds(folder: Path) -> float:
    """Since its last write; 0 for what is no folder, or is gone because its run just ended."""
    try:
        return time.time() - folder.stat().st_mtime if folder.is_dir() else 0.0
    except OSError:
        return 0.0

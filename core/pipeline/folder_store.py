"""Artifacts in a folder: what the command line resumes from."""

import hashlib
import shutil
import time
from pathlib import Path

from core.imaging.files import write_atomically


class FolderStore:
    """One file per artifact, its sha256 in front: a damaged file reads as absent, so its stage runs again."""

    def __init__(self, folder: Path) -> None:
        """Use, and make where absent, a folder that only this user may read: it holds faces."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def _path(self, stage: str, item: str, input_hash: str) -> Path:
        key = hashlib.sha256("\0".join((stage, item, input_hash)).encode()).hexdigest()
        return self.folder / f"{stage}-{key}"

    def get(self, stage: str, item: str, input_hash: str) -> bytes | None:
        """See `ArtifactStore.get`."""
        try:
            content = self._path(stage, item, input_hash).read_bytes()
        except FileNotFoundError:
            return None
        digest, data = content[:32], content[32:]
        return data if hashlib.sha256(data).digest() == digest else None

    def put(self, stage: str, item: str, input_hash: str, data: bytes) -> None:
        """See `ArtifactStore.put`."""
        write_atomically(self._path(stage, item, input_hash), hashlib.sha256(data).digest() + data)

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
    if not parent.is_dir():
        return 0
    stale = [
        folder
        for folder in parent.iterdir()
        if folder.is_dir() and time.time() - folder.stat().st_mtime > older_than_seconds
    ]
    for folder in stale:
        shutil.rmtree(folder, ignore_errors=True)
    return len(stale)

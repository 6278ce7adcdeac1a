"""A small file system in memory whose space can be taken away and given back: where root may mount one."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_FULL_MIB = 1


class Disk:
    """A tmpfs.

    Attributes:
        folder: where it is.
    """

    def __init__(self, folder: Path, size_mib: int) -> None:
        self.folder = folder
        self._size_mib = size_mib

    def fill(self) -> None:
        """No space from here on: it is made as small as what it holds."""
        status = os.statvfs(self.folder)
        used = (status.f_blocks - status.f_bfree) * status.f_frsize
        self._resize(f"{used // 2**10}k")

    def free(self) -> None:
        """As large as at first again."""
        self._resize(f"{self._size_mib}m")

    def _resize(self, size: str) -> None:
        # A file that grew in between makes it too small: then it is as good as full by itself.
        _mount("-o", f"remount,size={size}", str(self.folder), check=False)


def can_mount() -> bool:
    """Whether this process may mount a tmpfs."""
    if os.geteuid() != 0:
        return False
    with tempfile.TemporaryDirectory() as folder:
        if _mount("-t", "tmpfs", "-o", f"size={_FULL_MIB}m", "tmpfs", folder, check=False):
            return False
        subprocess.run(["umount", folder], check=True)  # noqa: S603, S607  # the system's own
    return True


@contextmanager
def mounted(folder: Path, size_mib: int) -> Iterator[Disk]:
    """A tmpfs on a folder, for as long as the block lasts."""
    folder.mkdir(parents=True, exist_ok=True)
    _mount("-t", "tmpfs", "-o", f"size={size_mib}m,mode=0755", "tmpfs", str(folder))
    try:
        yield Disk(folder, size_mib)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=False)  # noqa: S603, S607  # the system's own
        with suppress(OSError):  # made anew in it since, or not empty from before
            folder.rmdir()


def _mount(*arguments: str, check: bool = True) -> int:
    done = subprocess.run(["mount", *arguments], check=check, capture_output=True)  # noqa: S603, S607  # the system's own
    return done.returncode

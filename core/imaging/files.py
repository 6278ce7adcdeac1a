"""Writing files whole or not at all."""

import errno
import os
import tempfile
from pathlib import Path

from core.domain.errors import DiskFullError, OutputError, OutputUnwritableError

_FULL = (errno.ENOSPC, errno.EDQUOT)


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that at every moment either the old content stands or all of the new.

    A temporary file in the same folder is flushed to disk and renamed; then the folder is flushed.

    Args:
        path: the target; its folder must exist.
        data: the content.

    Raises:
        OutputUnwritableError: the folder is missing or not writable, or the target is a folder.
        DiskFullError: no space is left.
    """
    temporary: Path | None = None
    try:
        handle, name = tempfile.mkstemp(prefix=".heirloom-", dir=path.parent)
        temporary = Path(name)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())  # mkstemp makes 0600; a result should be as readable as any other file
        temporary.replace(path)
        temporary = None
        _sync_folder(path.parent)
    except OSError as error:
        raise output_error(error, path) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def check_writable(path: Path) -> None:
    """Find out before hours of work that a result cannot be written there.

    Raises:
        OutputUnwritableError: as `write_atomically` would.
        DiskFullError: as `write_atomically` would.
    """
    if path.is_dir():
        raise OutputUnwritableError(f"{path} is a folder.", "Name a file in it.")
    try:
        with tempfile.NamedTemporaryFile(prefix=".heirloom-", dir=path.parent):
            pass
    except OSError as error:
        raise output_error(error, path) from error


def make_folder(folder: Path, advice: str = "Choose another with -o.", mode: int = 0o777) -> None:
    """Make a folder, and those above it, where it is missing.

    Args:
        folder: what must be there.
        advice: what to do where it cannot be.
        mode: of the folder itself, where it is made.

    Raises:
        OutputUnwritableError: it cannot be made.
        DiskFullError: no space is left.
    """
    try:
        folder.mkdir(mode=mode, parents=True, exist_ok=True)
    except OSError as error:
        if error.errno in _FULL:
            raise output_error(error, folder) from error
        raise OutputUnwritableError(f"The folder {folder} cannot be made: {error.strerror}.", advice) from error


def output_error(error: OSError, path: Path) -> OutputError:
    """The typed error for a failed write."""
    if error.errno in _FULL:
        return DiskFullError(
            f"No space is left to write {path.name}.", "Free some space and run the same command again."
        )
    if error.errno == errno.ENOENT:
        return OutputUnwritableError(f"The folder {path.parent} does not exist.", "Make it, or choose another with -o.")
    return OutputUnwritableError(
        f"{path} cannot be written: {error.strerror or error}.", "Choose a place you may write to with -o."
    )


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

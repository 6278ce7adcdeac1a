"""The file on its way: nobody else can read it, and under its name there is all of it or nothing."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from core.domain.errors import OutputUnwritableError
from core.imaging.files import output_error


@contextmanager
def new_private_file(path: Path) -> Iterator[BinaryIO]:
    """A file of mode 0600 that has its name once the block has ended well.

    Raises:
        OutputUnwritableError: something has that name, or the folder is missing or not writable.
        DiskFullError: no space is left.
    """
    if path.exists():
        raise OutputUnwritableError(f"{path} is there already.", "Name a new file: a backup replaces none.")
    temporary: Path | None = None
    try:
        handle, name = tempfile.mkstemp(prefix=".heirloom-backup-", dir=path.absolute().parent)  # 0600
        temporary = Path(name)
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        temporary = None
        folder = os.open(path.absolute().parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise output_error(error, path) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)

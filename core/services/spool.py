"""Files on their way in: on this machine's disk without a name, looked at as they come, gone when closed."""

import errno
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import BinaryIO, cast

from core.domain.errors import DiskFullError
from core.services.uploads import Gate, UploadLimits

_IN_MEMORY_BYTES = 2**20


class Spool:
    """Takes files, one after the other, into one place. To be closed at the end."""

    def __init__(self, limits: UploadLimits, accepted: Collection[str], folder: Path) -> None:
        """Begin empty.

        Args:
            limits: how large files may be.
            accepted: the media types that are taken.
            folder: where they lie; the system's folder for temporary files may be memory.
        """
        self._limits = limits
        self._accepted = accepted
        # Kept open on purpose: closed by `close`, and without a name that could be left behind.
        self._file = cast(BinaryIO, tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES, dir=str(folder)))  # noqa: SIM115  # closed by us
        self._gate: Gate | None = None

    @property
    def used(self) -> bool:
        """Whether a file has begun."""
        return self._gate is not None

    def close(self) -> None:
        """Give the disk space back."""
        self._file.close()

    def begin(self, _label: str) -> None:
        """A file begins, under the name that its owner gives it."""
        self._gate = Gate(self._limits, self._accepted)

    def write(self, data: bytes) -> None:
        """Its next bytes.

        Raises:
            UnsupportedFormatError: not of a media type that is taken.
            BodyTooLargeError: larger than it may be.
            DiskFullError: no space is left.
        """
        if self._gate is not None:
            self._gate.look(data)
        try:
            self._file.write(data)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise DiskFullError(
                "No space is left on the server for what was sent.", "Tell its operator, and send it again later."
            ) from error

    def end(self) -> None:
        """The file ends; errors as of `Gate.close`."""
        if self._gate is not None:
            self._gate.close()

    @property
    def media_type(self) -> str:
        """Of the file that has ended; empty before."""
        return "" if self._gate is None else self._gate.media_type

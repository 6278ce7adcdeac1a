"""One photo that is looked at and not kept: on this machine's disk while it comes in, without a name, then gone."""

import errno
import tempfile
from pathlib import Path
from typing import BinaryIO, cast

from core.domain.errors import DiskFullError, InvalidRequestError
from core.services.uploads import PHOTOS, Gate, UploadLimits

_IN_MEMORY_BYTES = 2**20


class PhotoSpool:
    """Takes exactly one photo. To be closed at the end."""

    def __init__(self, limits: UploadLimits, folder: Path) -> None:
        """Begin empty.

        Args:
            limits: how large a photo may be.
            folder: where it lies; the system's folder for temporary files may be memory.
        """
        self._limits = limits
        self._file = cast(BinaryIO, tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES, dir=str(folder)))  # noqa: SIM115  # closed by us
        self._gate: Gate | None = None

    def close(self) -> None:
        """Give its disk space back."""
        self._file.close()

    def begin(self, _label: str) -> None:
        """A file begins.

        Raises:
            InvalidRequestError: there was one already.
        """
        if self._gate is not None:
            raise InvalidRequestError("More than one file was sent.", "Send one.", pointer="/file")
        self._gate = Gate(self._limits, PHOTOS)

    def write(self, data: bytes) -> None:
        """Its next bytes.

        Raises:
            UnsupportedFormatError: not a photo.
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
            raise DiskFullError("No space is left on the server for this photo.", "Tell its operator.") from error

    def end(self) -> None:
        """The file ends; errors as of `Gate.close`."""
        if self._gate is not None:
            self._gate.close()

    def check(self) -> None:
        """Refuse a form without a file.

        Raises:
            InvalidRequestError: none was sent.
        """
        if self._gate is None:
            raise InvalidRequestError("No file was sent.", "Send it in a part named `file`.", pointer="/file")

    def data(self) -> bytes:
        """The photo."""
        self._file.seek(0)
        return self._file.read()

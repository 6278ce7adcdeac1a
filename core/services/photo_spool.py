"""One photo that is looked at and not kept: on this machine's disk while it comes in, then gone."""

from pathlib import Path

from core.domain.errors import InvalidRequestError
from core.services.spool import Spool
from core.services.uploads import PHOTOS, UploadLimits


class PhotoSpool(Spool):
    """Takes exactly one photo."""

    def __init__(self, limits: UploadLimits, folder: Path) -> None:
        """Begin empty; arguments as for `Spool`."""
        super().__init__(limits, PHOTOS, folder)

    def begin(self, label: str) -> None:
        """A file begins.

        Raises:
            InvalidRequestError: there was one already.
        """
        if self.used:
            raise InvalidRequestError("More than one file was sent.", "Send one.", pointer="/file")
        super().begin(label)

    def check(self) -> None:
        """Refuse a form without a file.

        Raises:
            InvalidRequestError: none was sent.
        """
        if not self.used:
            raise InvalidRequestError("No file was sent.", "Send it in a part named `file`.", pointer="/file")

    def data(self) -> bytes:
        """The photo."""
        self._file.seek(0)
        return self._file.read()

"""An album on its way in: kept on this machine's disk until it is known to be one, so that nothing of a bad one stays.

It is read twice. First every photo is hashed, which checks the whole zip too; then, once the use case has agreed, those
that are new go into the store.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from core.domain.errors import InvalidRequestError
from core.imaging.archive import ArchiveLimits, ArchivePhoto, photos_of_zip
from core.imaging.signature import HEAD_BYTES, ZIP, media_type_of, readable
from core.services.spool import Spool
from core.services.uploads import ANYTHING, UploadLimits
from core.storage.base import BlobRef, BlobStore, write_blob

LONGEST_LABEL = 255


@dataclass(frozen=True)
class NewPhoto:
    """A photo that may join an album.

    Attributes:
        label: what its owner calls it.
        ref: its bytes' name, stored or to be stored.
        media_type: by its signature; None for something else under a photo's name.
    """

    label: str
    ref: BlobRef
    media_type: str | None


@dataclass(frozen=True)
class _Part:
    label: str
    begin: int
    size_bytes: int
    media_type: str


class AlbumSpool(Spool):
    """What somebody sends: one zip, or several photos."""

    def __init__(self, owner_id: str, limits: UploadLimits, folder: Path) -> None:
        """Begin empty.

        Args:
            owner_id: whose album it is.
            limits: how large files may be.
            folder: where it lies while it comes in; the system's folder for temporary files may be memory.
        """
        self._owner_id = owner_id
        super().__init__(limits, ANYTHING, folder)
        self._parts: list[_Part] = []
        self._label = ""
        self._begin = 0

    def begin(self, label: str) -> None:
        """A file begins."""
        super().begin(label)
        self._label, self._begin = label, self._file.tell()

    def end(self) -> None:
        """The file ends; errors as of `Spool.end`."""
        super().end()
        if self.media_type:
            self._parts.append(_Part(self._label, self._begin, self._file.tell() - self._begin, self.media_type))

    def photos(self) -> list[NewPhoto]:
        """Every different photo, with its hash, by label; read through to its end.

        Raises:
            InvalidRequestError: nothing was sent, or more than one zip, or a zip beside photos.
            ArchiveRejectedError: a zip that is broken, or that we do not open.
        """
        found: dict[str, NewPhoto] = {}
        for photo in self.entries():
            found.setdefault(photo.ref.sha256, photo)
        return list(found.values())

    def entries(self) -> Iterator[NewPhoto]:
        """Every photo, those that are there twice as well; arguments and errors as for `photos`."""
        for photo in self._read():
            ref = BlobRef(self._owner_id, hashlib.sha256(photo.data).hexdigest(), len(photo.data))
            media_type = media_type_of(photo.data[:HEAD_BYTES])
            yield NewPhoto(photo.name[-LONGEST_LABEL:], ref, media_type if readable(media_type) else None)

    def store(self, store: BlobStore, wanted: Iterable[BlobRef]) -> None:
        """Put photos into the store; those that are not wanted are passed over."""
        missing = {ref.sha256 for ref in wanted}
        for photo in self._read() if missing else ():
            sha256 = hashlib.sha256(photo.data).hexdigest()
            if sha256 in missing:
                write_blob(store, self._owner_id, photo.data)
                missing.discard(sha256)

    def _read(self) -> Iterator[ArchivePhoto]:
        zips = [part for part in self._parts if part.media_type == ZIP]
        if not self._parts or (zips and len(self._parts) > 1):
            raise InvalidRequestError(
                "An album is one zip, or one photo or more.",
                "Send one of the two, in parts named `file`.",
                pointer="/file",
            )
        if zips:
            yield from photos_of_zip(self._file, ArchiveLimits(max_entry_bytes=self._limits.photo_bytes))
            return
        for part in self._parts:
            self._file.seek(part.begin)
            yield ArchivePhoto(part.label, self._file.read(part.size_bytes))

"""Files: taken in while they arrive, named once they are whole, given out, forgotten."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from sqlalchemy.orm import Session

from core.db import blobs, files, restorations
from core.db.session import now_of
from core.db.tables import File
from core.domain.errors import (
    BodyTooLargeError,
    ConflictError,
    ImageUnreadableError,
    NotFoundError,
    UnsupportedFormatError,
)
from core.domain.ids import Prefix, new_id
from core.imaging.signature import HEAD_BYTES, PHOTO_SUFFIXES, ZIP, kinds, media_type_of, readable
from core.services import idempotency
from core.services.terms import Terms
from core.storage.base import BlobRef, BlobStore

PHOTOS = frozenset(PHOTO_SUFFIXES)
ANYTHING = PHOTOS | {ZIP}


@dataclass(frozen=True)
class UploadLimits:
    """How large a file may be, in bytes."""

    photo_bytes: int
    archive_bytes: int

    def of(self, media_type: str) -> int:
        """The limit of a kind."""
        return self.archive_bytes if media_type == ZIP else self.photo_bytes

    def album_bytes_of(self, files: Sequence[File]) -> int:
        """How many bytes files have together that are to be one album.

        Raises:
            BodyTooLargeError: more than an album may have.
        """
        total, most = sum(file.size_bytes for file in files), max(self.photo_bytes, self.archive_bytes)
        if total > most:
            raise BodyTooLargeError(
                f"The files have {total / 2**20:.1f} MiB together, and an album {most // 2**20} at most.",
                "Send fewer, or smaller copies: about twenty varied photos are best.",
            )
        return total


@dataclass(frozen=True)
class Received:
    """A file that is in the store, and that no row names yet."""

    ref: BlobRef
    media_type: str


class Gate:
    """Looks at a file while it passes: its kind by its first bytes, its size as it grows. Keeps nothing of it."""

    def __init__(self, limits: UploadLimits, accepted: Collection[str]) -> None:
        """Let files of the accepted media types pass."""
        self._limits = limits
        self._accepted = accepted
        self._head = b""
        self.media_type = ""
        self.size_bytes = 0

    def look(self, data: bytes) -> None:
        """At the next bytes.

        Raises:
            UnsupportedFormatError: of a kind that is not accepted.
            BodyTooLargeError: larger than its kind may be.
        """
        self.size_bytes += len(data)
        if not self.media_type:
            self._head += data[:HEAD_BYTES]
            if len(self._head) >= HEAD_BYTES:
                self._settle()
        if self.media_type and self.size_bytes > self._limits.of(self.media_type):
            mebibytes = self._limits.of(self.media_type) // 2**20
            raise BodyTooLargeError(
                f"The file is larger than {mebibytes} MiB, which is the most taken here.", "Send a smaller copy."
            )

    def close(self) -> None:
        """The file has ended.

        Raises:
            ImageUnreadableError: it is empty.
            UnsupportedFormatError: of a kind that is not accepted.
        """
        if not self.size_bytes:
            raise ImageUnreadableError("The file is empty.", f"Send a {kinds()} photo.")
        if not self.media_type:
            self._settle()

    def _settle(self) -> None:
        media_type = media_type_of(self._head)
        if media_type is None or media_type not in self._accepted:
            what = f"a {kinds()} photo" + (", or a zip of them" if ZIP in self._accepted else "")
            raise UnsupportedFormatError("The file is of a kind that is not taken here.", f"Send {what}.")
        if media_type != ZIP and not readable(media_type):
            raise UnsupportedFormatError(
                "HEIC photos are not read here.",
                "Send it as JPEG; or the operator installs Heirloom's extra `heic`.",
            )
        self.media_type = media_type


class Receiver:
    """One file on its way into the store. Left without `finish`, nothing of it stays."""

    def __init__(
        self, store: BlobStore, owner_id: str, limits: UploadLimits, accepted: Collection[str] = PHOTOS
    ) -> None:
        """Begin; use it as a context manager."""
        self._gate = Gate(limits, accepted)
        self._writer = store.writer(owner_id)

    def __enter__(self) -> Self:
        self._writer.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.__exit__(kind, error, trace)

    def write(self, data: bytes) -> None:
        """The next bytes; errors as of `Gate.look` and `BlobWriter.write`."""
        self._gate.look(data)
        self._writer.write(data)

    def finish(self) -> Received:
        """The file has ended: it is durable from here on; errors as of `Gate.close` and `BlobWriter.finish`."""
        self._gate.close()
        return Received(self._writer.finish(), self._gate.media_type)


def register(session: Session, owner_id: str, received: Received, name: str, terms: Terms | None) -> File:
    """Name a file that is in the store.

    Args:
        session: the transaction.
        owner_id: whose.
        received: the file.
        name: as its owner calls it.
        terms: how long an upload is kept; None: it comes along with a restoration, and goes with the last one of it.
    """
    now = now_of(session)
    file = File(
        id=new_id(Prefix.FILE),
        owner_id=owner_id,
        blob_sha256=received.ref.sha256,
        size_bytes=received.ref.size_bytes,
        media_type=received.media_type,
        name=name,
        created_at=now,
        expires_at=now + terms.photo_life if terms is not None else None,
    )
    blobs.mark_ready(session, received.ref)
    return files.insert(session, file)


def get(
    session: Session, owner_id: str, file_id: str, pointer: str = "", *, keep: bool = False, lock: bool = False
) -> File:
    """An owner's file; `keep` and `lock` as for `core.db.files.get`.

    Raises:
        NotFoundError: there is none, or it is over.
    """
    file = files.get(session, owner_id, file_id, keep=keep, lock=lock)
    # Workers forget what is over, once an hour; until one does, it is not there for anybody all the same.
    if file is None or (file.expires_at is not None and file.expires_at <= now_of(session)):
        raise NotFoundError("There is no such file.", "Upload it again with POST /v1/files.", pointer=pointer)
    return file


def get_all(session: Session, owner_id: str, file_ids: Sequence[str], pointer: str) -> list[File]:
    """Several files, in the order of their ids; errors as of `get`."""
    return [get(session, owner_id, file_id, f"{pointer}/{place}") for place, file_id in enumerate(file_ids)]


def delete(session: Session, owner_id: str, file_id: str) -> None:
    """Forget a file; its bytes go with the next sweep, unless an album has them too.

    Raises:
        NotFoundError: there is none.
        ConflictError: a restoration that has not ended needs it.
    """
    file = get(session, owner_id, file_id, lock=True)
    if restorations.open_with_file(session, owner_id, file.id):
        raise ConflictError(
            "A restoration that has not ended needs this file.", "Cancel its job first, or wait until it has ended."
        )
    files.delete(session, owner_id, file.id)
    idempotency.forget_about(session, owner_id, file.id)


def ref_of(file: File) -> BlobRef:
    """Where a file's bytes are."""
    return BlobRef(file.owner_id, file.blob_sha256, file.size_bytes)

"""The file that a backup is, `heirloom-backup/1`: an uncompressed tar, which any tar can look into.

`heirloom-backup.json`      format, the schema's revision, when it was made
`tables/NAME/000000.jsonl`  a table's rows, one JSON object a line, in parts of about a mebibyte
`blobs/OWNER/SHA256`        stored bytes
`end.json`                  rows by table, the sha256 of all table parts, blobs, their bytes, what is absent

A file that is cut off has no end, and is refused. Writing and reading take memory for one part, however much there is.
"""

import hashlib
import json
import re
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any, BinaryIO, Self

from core.domain.errors import BlobDamagedError, InvalidRequestError
from core.storage.base import CHUNK_BYTES, BlobRef

FORMAT = "heirloom-backup/1"
HEAD, END = "heirloom-backup.json", "end.json"
MOST_PART_BYTES = 256 * 2**20
"""One row may be large; one that is larger than this is none of ours."""
_BLOCK = tarfile.BLOCKSIZE
_TABLE = re.compile(r"tables/([a-z_]{1,63})/[0-9]{6}\.jsonl")
_BLOB = re.compile("blobs/([a-z0-9_]{1,32})/([0-9a-f]{64})")


@dataclass(frozen=True)
class Absent:
    """A blob that a row names and the backup does not hold.

    Attributes:
        owner_id: whose.
        sha256: of what it was.
        code: why: `blob_missing` or `blob_damaged`.
    """

    owner_id: str
    sha256: str
    code: str


@dataclass
class Contents:
    """What is in an archive, as its end says it.

    Attributes:
        rows: by table.
        blobs: how many.
        size_bytes: of those.
        absent: what the rows name and is not among them.
        tables_sha256: of all table parts, one after the other.
    """

    rows: dict[str, int] = field(default_factory=dict)
    blobs: int = 0
    size_bytes: int = 0
    absent: list[Absent] = field(default_factory=list)
    tables_sha256: str = ""


class ArchiveWriter:
    """Writes members one after the other; the file must be one that can be cut back."""

    def __init__(self, file: BinaryIO) -> None:
        """Begin at the file's start."""
        self._file = file

    def add(self, name: str, data: bytes) -> None:
        """A member that is in memory."""
        self.add_parts(name, len(data), [data])

    def add_parts(self, name: str, size: int, parts: Iterable[bytes]) -> None:
        """A member in pieces; where they raise, the archive is as it was before.

        Raises:
            OSError: the file cannot be written.
        """
        begin = self._file.tell()
        try:
            about = tarfile.TarInfo(name)
            about.size, about.mode = size, 0o600
            self._file.write(about.tobuf(tarfile.GNU_FORMAT))
            for part in parts:
                self._file.write(part)
            self._file.write(bytes(-size % _BLOCK))
        except BaseException:
            self._file.seek(begin)
            self._file.truncate()
            raise

    def close(self) -> None:
        """The end of a tar: two empty blocks."""
        self._file.write(bytes(2 * _BLOCK))


class ArchiveReader:
    """Reads members in the order they stand there; may begin anew as often as wanted."""

    def __init__(self, file: BinaryIO) -> None:
        """Use an opened file."""
        self._file = file

    def members(self) -> Iterator[tuple[str, int, IO[bytes]]]:
        """Name, size and content of each.

        Raises:
            BlobDamagedError: it is no tar, or holds something else than files.
        """
        self._file.seek(0)
        with _said(), tarfile.open(fileobj=self._file, mode="r:") as archive:
            while (about := archive.next()) is not None:
                content = archive.extractfile(about) if about.isfile() else None
                if content is None:
                    raise damaged("it holds something that is no file")
                yield about.name, about.size, content
                archive.members.clear()  # type: ignore[attr-defined]  # else it remembers every member it has seen

    def head(self) -> dict[str, Any]:
        """What stands at its beginning.

        Raises:
            InvalidRequestError: this is no backup.
            BlobDamagedError: it is no tar, or one that is cut off.
        """
        for name, size, content in self.members():
            found = as_json(read(content, size)) if name == HEAD else None
            if isinstance(found, dict) and found.get("format") == FORMAT:
                return found
            break
        raise InvalidRequestError(
            "This is no backup of Heirloom's, or one of another kind.", "`heirloom db backup FILE` makes one."
        )

    def tables(self) -> Iterator[tuple[str, bytes]]:
        """Table and lines of each part."""
        for name, size, content in self.members():
            if table := _TABLE.fullmatch(name):
                yield table[1], read(content, size)
            elif _BLOB.fullmatch(name):
                return

    def blobs(self) -> Iterator[tuple[BlobRef, Iterator[bytes]]]:
        """Each blob's name and content, which must be taken before the next."""
        for name, size, content in self.members():
            if blob := _BLOB.fullmatch(name):
                yield BlobRef(blob[1], blob[2], size), _pieces(content)

    def checked(self) -> Contents:
        """Read everything, and compare it with what the end says.

        Raises:
            BlobDamagedError: a bit of it is not as it was written, or something is missing.
        """
        found, said, digest = Contents(), None, hashlib.sha256()
        for name, size, content in self.members():
            if said is not None:
                raise damaged("something stands behind its end")
            if table := _TABLE.fullmatch(name):
                lines = read(content, size)
                digest.update(lines)
                found.rows[table[1]] = found.rows.get(table[1], 0) + lines.count(b"\n")
            elif blob := _BLOB.fullmatch(name):
                _check_blob(blob[2], content)
                found.blobs += 1
                found.size_bytes += size
            elif name == END:
                said = contents_of(as_json(read(content, size)))
            elif name != HEAD:
                raise damaged("it holds a file that does not belong there")
        found.tables_sha256 = digest.hexdigest()
        if said is None:
            raise damaged("it is cut off: its end is missing")
        if (found.rows, found.blobs, found.size_bytes, found.tables_sha256) != (
            {table: rows for table, rows in said.rows.items() if rows},
            said.blobs,
            said.size_bytes,
            said.tables_sha256,
        ):
            raise damaged("what it holds is not what its end says")
        return said

    def __enter__(self) -> Self:
        """Use it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._file.close()


def damaged(why: str) -> BlobDamagedError:
    """The error for an archive that cannot be used."""
    return BlobDamagedError(f"The backup is damaged: {why}.", "Take another copy of it, or an earlier one.")


def read(content: IO[bytes], size: int) -> bytes:
    """A member that is small enough to be held.

    Raises:
        BlobDamagedError: it is not.
    """
    if size > MOST_PART_BYTES:
        raise damaged("a part of it is larger than any that we write")
    with _said():
        return content.read()


def as_json(data: bytes) -> object:
    """What JSON says.

    Raises:
        BlobDamagedError: it is none.
    """
    try:
        found: object = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise damaged("a part of it is no JSON") from error
    return found


def contents_of(end: object) -> Contents:
    """What an archive's end says.

    Raises:
        BlobDamagedError: it says something else.
    """
    if not isinstance(end, dict):
        raise damaged("its end says nothing that can be understood")
    try:
        absent = [Absent(one["owner_id"], one["sha256"], one["code"]) for one in end["absent"]]
        return Contents(dict(end["rows"]), end["blobs"], end["size_bytes"], absent, end["tables_sha256"])
    except (KeyError, TypeError, ValueError) as error:
        raise damaged("its end says nothing that can be understood") from error


def _check_blob(sha256: str, content: IO[bytes]) -> None:
    digest = hashlib.sha256()
    for piece in _pieces(content):
        digest.update(piece)
    if digest.hexdigest() != sha256:
        raise damaged("a file in it does not have the hash that it is named by")


def _pieces(content: IO[bytes]) -> Iterator[bytes]:
    with _said():
        while piece := content.read(CHUNK_BYTES):
            yield piece


@contextmanager
def _said() -> Iterator[None]:
    """From tar's errors to ours."""
    try:
        yield
    except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
        raise damaged("it is cut off, or no tar") from error

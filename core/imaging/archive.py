"""Reading an album: a zip that somebody sent, or a folder. Nothing is ever extracted to disk.

The end record is read before `zipfile` sees the file, sizes are counted while decompressing instead of believed,
and names are labels only.
"""

import os
import struct
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from core.domain.errors import ArchiveRejectedError, BadInputError
from core.imaging.signature import kinds

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".heic", ".heif"}
"""HEIC too where it is not read: that it was left out, and why, is said then."""
_END_RECORD = struct.Struct("<4s4H2LH")
_END_SIGNATURE = b"PK\x05\x06"
_LOCATOR_64 = b"PK\x06\x07"
_LOCATOR_64_BYTES = 20
"""Where it stands before the end record, `zipfile` believes its numbers instead of the end record's."""
_END_BYTES = _END_RECORD.size + 0xFFFF
"""The end record, and the longest comment that may follow it."""
_UNIX_LINK = 0o120000
_FREE_BYTES = 16 * 2**20
"""So much may come of any zip, whatever the ratio."""
_ADVICE = "Zip the photos again, without encryption, links or other zips inside."


@dataclass(frozen=True)
class ArchiveLimits:
    """What is refused.

    Attributes:
        max_entries: in the directory; of a folder, photos in it.
        max_directory_bytes: of the directory.
        max_entry_bytes: of one entry, decompressed.
        max_total_bytes: of all entries, decompressed.
        max_ratio: decompressed over compressed, for entries over one megabyte, and for all together beyond sixteen.
    """

    max_entries: int = 2_000
    max_directory_bytes: int = 2**20
    max_entry_bytes: int = 100 * 2**20
    max_total_bytes: int = 2 * 2**30
    max_ratio: float = 100.0


@dataclass(frozen=True)
class ArchivePhoto:
    """One image file of an album, still encoded.

    Attributes:
        name: a label; never used as a path.
        data: its bytes.
    """

    name: str
    data: bytes


def read_album(path: Path, limits: ArchiveLimits | None = None) -> list[ArchivePhoto]:
    """Read an album from a zip or a folder, sorted by name; other files than images are left out.

    Args:
        path: a zip file, or a folder; of both, folders inside are read too, hidden ones are not.
        limits: see there.

    Raises:
        BadInputError: nothing there, no photo in it, or it cannot be read.
        ArchiveRejectedError: a zip that is broken, or that we do not open.
    """
    try:
        if path.is_dir():
            return _not_empty(_read_folder(path, limits or ArchiveLimits()))
        if not path.exists():
            raise BadInputError(f"{path} does not exist.", "Name a zip or a folder of photos.")
        return read_album_zip(path.read_bytes(), limits)
    except OSError as error:
        raise BadInputError(
            f"{error.filename or path} cannot be read: {error.strerror}.", "Check who may read it, or take it out."
        ) from error


def read_album_zip(data: bytes, limits: ArchiveLimits | None = None) -> list[ArchivePhoto]:
    """Read the images of a zip; arguments and errors as for `read_album`."""
    return _not_empty(list(photos_of_zip(BytesIO(data), limits)))


def photos_of_zip(file: BinaryIO, limits: ArchiveLimits | None = None) -> Iterator[ArchivePhoto]:
    """The images of a zip, one after the other, sorted by name; other files are left out.

    Args:
        file: can be sought in; the whole directory is checked before the first photo comes.
        limits: see there.

    Raises:
        ArchiveRejectedError: a zip that is broken, or that we do not open.
    """
    limits = limits or ArchiveLimits()
    try:
        _check_end_record(file, limits)
        with zipfile.ZipFile(file) as archive:
            _check_entries(archive.infolist(), file, archive.start_dir, limits)
            entries = [info for info in archive.infolist() if not info.is_dir()]
            yield from _read(archive, sorted(entries, key=lambda info: info.filename), limits)
    except BadInputError:
        raise
    except Exception as error:  # zipfile raises nine kinds of exception on broken files: one boundary for all
        raise ArchiveRejectedError("The zip is damaged.", _ADVICE) from error


def _not_empty(photos: list[ArchivePhoto]) -> list[ArchivePhoto]:
    if not photos:
        raise BadInputError(
            f"The album has no photos: nothing in it is a {kinds()} file.",
            "Name a zip or a folder with the person's photos, about twenty.",
        )
    return photos


def _read_folder(folder: Path, limits: ArchiveLimits) -> list[ArchivePhoto]:
    files = sorted(_wanted_files(folder))
    if len(files) > limits.max_entries or sum(file.stat().st_size for file in files) > limits.max_total_bytes:
        raise BadInputError(
            f"{folder} holds {len(files):,} photos, more than an album may: {limits.max_entries:,} photos, "
            f"{limits.max_total_bytes / 2**30:g} GiB.",
            "Name the folder of one person's photos.",
        )
    return [ArchivePhoto(file.name, file.read_bytes()) for file in files]


def _wanted_files(folder: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise error

    for parent, folders, names in os.walk(folder, onerror=refuse):
        here = Path(parent)
        folders[:] = [name for name in folders if not _hidden(name)]
        yield from (here / name for name in names if _wanted(name) and (here / name).is_file())


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _wanted(name: str) -> bool:
    path = PurePosixPath(name)
    parts = [part for part in path.parts if part not in (".", "..")]
    return not any(_hidden(part) for part in parts) and path.suffix.lower() in IMAGE_SUFFIXES


def _check_end_record(file: BinaryIO, limits: ArchiveLimits) -> None:
    """Refuse a directory that is too large before `zipfile` builds an object for each of its entries."""
    begin = max(0, file.seek(0, os.SEEK_END) - _END_BYTES)
    file.seek(begin)
    tail = file.read(_END_BYTES)
    at = tail.rfind(_END_SIGNATURE)
    if at < 0 or at + _END_RECORD.size > len(tail):
        raise ArchiveRejectedError("The file is not a zip.", "Send the photos as one zip file.")
    _, disk, directory_disk, _, entries, size, offset, _ = _END_RECORD.unpack_from(tail, at)
    many = tail[max(0, at - _LOCATOR_64_BYTES) : at].startswith(_LOCATOR_64)
    if many or disk or directory_disk or entries == 0xFFFF or 0xFFFFFFFF in (size, offset):
        raise ArchiveRejectedError("The zip is split over several files, or is of the 64-bit kind.", _ADVICE)
    if entries > limits.max_entries or size > limits.max_directory_bytes:
        raise ArchiveRejectedError(
            f"The zip holds {entries:,} entries; allowed are {limits.max_entries:,}.", "Send fewer photos at once."
        )
    if offset + size > begin + at:
        raise ArchiveRejectedError("The zip is damaged.", _ADVICE)


def _check_entries(
    entries: Sequence[zipfile.ZipInfo], file: BinaryIO, directory_at: int, limits: ArchiveLimits
) -> None:
    if len(entries) > limits.max_entries:  # the end record may have said less
        raise ArchiveRejectedError(
            f"The zip holds {len(entries):,} entries; allowed are {limits.max_entries:,}.", "Send fewer photos at once."
        )
    last_end = 0
    for info in sorted(entries, key=lambda entry: entry.header_offset):
        if info.flag_bits & 0x1:
            raise ArchiveRejectedError("The zip is encrypted.", _ADVICE)
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ArchiveRejectedError("The zip uses a compression method that is not read here.", _ADVICE)
        if (info.external_attr >> 16) & 0o170000 == _UNIX_LINK:
            raise ArchiveRejectedError("The zip holds links.", _ADVICE)
        if not info.is_dir() and PurePosixPath(info.filename).suffix.lower() in {".zip", ".7z", ".rar", ".gz", ".tar"}:
            raise ArchiveRejectedError("The zip holds another archive.", _ADVICE)
        # Python ≤ 3.11.7 opens bombs whose entries share the same bytes: each must begin after the one before ends.
        if info.header_offset < last_end:
            raise ArchiveRejectedError("The zip's entries overlap.", _ADVICE)
        last_end = _data_start(file, info.header_offset) + info.compress_size
    if last_end > directory_at:
        raise ArchiveRejectedError("The zip's entries overlap.", _ADVICE)


def _data_start(file: BinaryIO, header_offset: int) -> int:
    """Where an entry's own bytes begin: after its 30-byte local header, name and extra field."""
    file.seek(header_offset + 26)
    name_length, extra_length = struct.unpack("<HH", file.read(4))
    return int(header_offset + 30 + name_length + extra_length)


def _read(
    archive: zipfile.ZipFile, entries: Sequence[zipfile.ZipInfo], limits: ArchiveLimits
) -> Iterator[ArchivePhoto]:
    total = packed = 0
    for info in entries:
        if not _wanted(info.filename):
            continue
        with archive.open(info) as file:
            content = file.read(limits.max_entry_bytes + 1)
        total += len(content)
        packed += info.compress_size
        if len(content) > limits.max_entry_bytes or total > limits.max_total_bytes:
            raise ArchiveRejectedError("The zip's photos are too large together.", "Send fewer or smaller photos.")
        # The sum too: two thousand entries of just under a megabyte are two gigabytes out of two megabytes.
        alone = len(content) > 2**20 and len(content) > limits.max_ratio * max(1, info.compress_size)
        if alone or (total > _FREE_BYTES and total > limits.max_ratio * max(1, packed)):
            raise ArchiveRejectedError("The zip decompresses to far more than it holds.", _ADVICE)
        yield ArchivePhoto(PurePosixPath(info.filename).name, content)

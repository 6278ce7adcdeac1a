"""Where training pictures come from: folders, and zips that are read in place."""

import csv
import lzma
import zipfile
import zlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath, PurePosixPath

from core.domain.errors import (
    AlbumTooSmallError,
    ArchiveRejectedError,
    BadInputError,
    ImageTooLargeError,
    ImageUnreadableError,
)
from core.imaging.archive import IMAGE_SUFFIXES
from core.imaging.intake import Limits

SUFFIXES = IMAGE_SUFFIXES


@dataclass(frozen=True)
class Entry:
    """One image that may be read.

    Attributes:
        name: without its folder.
        read: gives the file's bytes; raises BadInputError where they cannot be had.
    """

    name: str
    read: Callable[[], bytes]


def open_entries(sources: Sequence[Path], stack: ExitStack) -> list[Entry]:
    """List every image of folders (searched whole) and zips, in a fixed order.

    Args:
        sources: folders and zip files.
        stack: keeps the zips open until the entries are read.

    Raises:
        BadInputError: a source is missing.
        ArchiveRejectedError: a file is not a zip.
        AlbumTooSmallError: there are no images.
    """
    entries: list[Entry] = []
    for source in sources:
        if source.is_dir():
            paths = sorted(path for path in source.rglob("*") if _is_image(path.relative_to(source)))
            entries += [Entry(path.name, partial(_read_file, path)) for path in paths]
        elif source.is_file():
            entries += _zip_entries(source, stack)
        else:
            raise BadInputError(f"{source} does not exist.", "Name a folder or a zip of images.")
    if not entries:
        raise AlbumTooSmallError("No images were found.", f"These are read: {', '.join(sorted(SUFFIXES))}.")
    return entries


def _is_image(path: PurePath) -> bool:
    hidden = any(part.startswith(".") for part in path.parts)  # "._x.jpg" is macOS's, ".thumbnails" a viewer's
    return path.suffix.lower() in SUFFIXES and not hidden


def _read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ImageUnreadableError(f"{path.name} cannot be read.") from error


def _zip_entries(source: Path, stack: ExitStack) -> list[Entry]:
    # The operator's own archive, not an upload: core.imaging.archive guards those.
    try:
        archive = stack.enter_context(zipfile.ZipFile(source))
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise ArchiveRejectedError(f"{source} is not a zip that can be read.", "Make it again.") from error

    infos = sorted(archive.infolist(), key=lambda info: info.filename)
    named = [(PurePosixPath(info.filename), info) for info in infos if not info.is_dir()]
    return [Entry(path.name, partial(_read_zipped, archive, info)) for path, info in named if _is_image(path)]


def _read_zipped(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    if info.file_size > Limits().max_bytes:
        raise ImageTooLargeError(f"{info.filename} is too large for a photo.")
    try:
        return archive.read(info)
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, ValueError, RuntimeError, OSError, EOFError) as error:
        raise ImageUnreadableError(f"{info.filename} cannot be unpacked.") from error


def names_from_index(path: Path, sources: Sequence[str]) -> set[str]:
    """Names of the images that come from certain sources, by a CSV of `file,source` lines.

    Raises:
        BadInputError: no such file, no such columns, or no image of these sources.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            names = {row["file"] for row in csv.DictReader(file) if row["source"] in sources}
    except (OSError, KeyError, UnicodeDecodeError, csv.Error) as error:
        raise BadInputError(f"{path} is not an index of images.", "It needs the columns file and source.") from error
    if not names:
        raise BadInputError(f"{path} lists no image of {', '.join(sources)}.", "Check --hold-out-source.")
    return names

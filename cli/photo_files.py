"""The photos that a command is given: files, and folders of them."""

from collections.abc import Iterable
from pathlib import Path

from core.domain.errors import BadInputError
from core.imaging.archive import IMAGE_SUFFIXES
from core.imaging.signature import kinds


def photo_files(given: Iterable[Path]) -> list[Path]:
    """Files as they are; of a folder the photos in it, by name. Folders inside it and hidden files are passed over.

    Raises:
        BadInputError: a folder that has no photo in it, or cannot be read.
    """
    return [photo for path in given for photo in (_photos_in(path) if path.is_dir() else [path])]


def _photos_in(folder: Path) -> list[Path]:
    try:
        found = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    except OSError as error:
        raise BadInputError(f"{folder} cannot be read: {error.strerror}.", "Check who may read it.") from error
    photos = [path for path in found if path.is_file() and not path.name.startswith(".")]
    if not photos:
        raise BadInputError(f"{folder} holds no {kinds()} photo.", "Name the folder that the photos themselves lie in.")
    return photos

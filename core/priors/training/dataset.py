"""Pictures to train on: any folder, or zips of images, decoded once into memory."""

import csv
import hashlib
import io
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import cv2
import numpy as np

from core.domain.errors import AlbumTooSmallError, ArchiveRejectedError, BadInputError
from core.imaging.intake import decode_photo

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """Decoded pictures, split once and for all.

    Attributes:
        train: [N, R, R, 3] uint8.
        held_out: [M, R, R, 3] uint8, never trained on.
        broken: entries that could not be decoded, left out.
        sha256: of the names and the split, to tell a resumed run on other data.
    """

    train: np.ndarray
    held_out: np.ndarray
    broken: int
    sha256: str


def load_training_set(
    sources: Sequence[Path],
    resolution: int,
    held_out: int,
    may_hold_out: Callable[[str], bool] = lambda _: True,
    on_image: Callable[[int], None] = lambda _: None,
) -> TrainingSet:
    """Read every image, cut the middle square and shrink it to the prior's resolution.

    Which images are held out follows from their names alone: the ones with the smallest hash among those allowed.

    Args:
        sources: folders (searched whole) and zip files.
        resolution: R in pixels.
        held_out: how many to hold out.
        may_hold_out: whether an image, by name, may be held out (e.g. not where one person has several pictures).
        on_image: told the images read so far.

    Raises:
        BadInputError: a source is missing or cannot be read.
        AlbumTooSmallError: fewer images than are to be held out, or none.
    """
    names: list[str] = []
    images: list[np.ndarray] = []
    broken = 0
    for name, data in _entries(sources):
        try:
            images.append(_square(decode_photo(data), resolution))
        except BadInputError:
            broken += 1
            continue
        names.append(name)
        on_image(len(names))
    allowed = sorted((i for i, name in enumerate(names) if may_hold_out(name)), key=lambda i: _name_hash(names[i]))
    chosen = set(allowed[:held_out])
    if len(chosen) < held_out or len(names) - len(chosen) < 1:
        raise AlbumTooSmallError(
            f"{len(names)} images were read, {len(allowed)} of which may be held out; {held_out} are to be.",
            "Name a folder or zip with more images, or hold fewer out with --held-out.",
        )
    digest = hashlib.sha256("\n".join(f"{n}:{i in chosen}" for i, n in enumerate(names)).encode()).hexdigest()
    stacked = np.stack(images)
    keep = np.array([i not in chosen for i in range(len(names))])
    order = [i for i in allowed if i in chosen]
    return TrainingSet(stacked[keep], stacked[order], broken, digest)


def names_from_index(path: Path, sources: Sequence[str]) -> set[str]:
    """Names of the images that come from certain sources, by a CSV of `file,source` lines.

    Raises:
        BadInputError: no such file, or no such columns.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return {row["file"] for row in csv.DictReader(file) if row["source"] in sources}
    except (OSError, KeyError, UnicodeDecodeError) as error:
        raise BadInputError(f"{path} is not an index of images.", "It needs the columns file and source.") from error


def _entries(sources: Sequence[Path]) -> Iterator[tuple[str, bytes]]:
    for source in sources:
        if source.is_dir():
            for path in sorted(p for p in source.rglob("*") if p.suffix.lower() in SUFFIXES):
                yield path.name, path.read_bytes()
        elif source.is_file():
            yield from _zip_entries(source)
        else:
            raise BadInputError(f"{source} does not exist.", "Name a folder or a zip of images.")


def _zip_entries(source: Path) -> Iterator[tuple[str, bytes]]:
    # The operator's own archive, not an upload: core.imaging.archive guards those.
    try:
        with zipfile.ZipFile(io.BytesIO(source.read_bytes())) as archive:
            for info in sorted(archive.infolist(), key=lambda entry: entry.filename):
                if PurePosixPath(info.filename).suffix.lower() in SUFFIXES and not info.is_dir():
                    yield PurePosixPath(info.filename).name, archive.read(info)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise ArchiveRejectedError(f"{source} is not a zip that can be read.", "Make it again, unencrypted.") from error


def _square(image: np.ndarray, resolution: int) -> np.ndarray:
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = image[top : top + side, left : left + side]
    if side == resolution:
        return square
    kind = cv2.INTER_AREA if side > resolution else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(square, (resolution, resolution), interpolation=kind))


def _name_hash(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()

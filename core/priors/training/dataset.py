"""Pictures to train on, decoded once into memory and split by the hash of their names."""

import hashlib
import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from core.domain.errors import AlbumTooSmallError, BadInputError, OutOfMemoryError
from core.imaging.intake import decode_photo
from core.priors.training.sources import Entry, open_entries


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """Decoded pictures, split once and for all.

    Attributes:
        train: [N, R, R, 3] uint8.
        held_out: [M, R, R, 3] uint8, never trained on.
        broken: names of the entries that could not be decoded; they are left out.
        sha256: of the names and the split, to tell a resumed run on other data.
    """

    train: np.ndarray
    held_out: np.ndarray
    broken: tuple[str, ...]
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
        sources: folders (searched whole) and zip files, which are read in place.
        resolution: R in pixels.
        held_out: how many to hold out.
        may_hold_out: whether an image, by name, may be held out (e.g. not where one person has several pictures).
        on_image: told the images read so far.

    Raises:
        BadInputError: a source is missing or cannot be read.
        AlbumTooSmallError: fewer images than are to be held out, or none to train on.
        OutOfMemoryError: the decoded images are larger than this machine's memory.
    """
    with ExitStack() as stack:
        entries = open_entries(sources, stack)
        kept, aside, bad = _hold_out(entries, resolution, held_out, may_hold_out)
        train = _allocate(len(entries) - len(aside), resolution)
        used: list[int] = []
        broken = set(bad)
        for place, entry in enumerate(entries):
            if place in aside or place in broken:
                continue
            try:
                train[len(used)] = _square(decode_photo(entry.read()), resolution)
            except BadInputError:
                broken.add(place)
                continue
            used.append(place)
            on_image(len(used) + len(aside))
    if not used:
        raise AlbumTooSmallError(
            f"No image is left to train on: {len(aside)} are held out and {len(broken)} are broken.",
            "Name a folder or zip with more images, or hold fewer out with --held-out.",
        )
    lines = (f"{entry.name}:{place in aside}" for place, entry in enumerate(entries) if place not in broken)
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return TrainingSet(train[: len(used)], kept, tuple(entries[place].name for place in sorted(broken)), digest)


def load_held_out(
    sources: Sequence[Path], resolution: int, count: int, may_hold_out: Callable[[str], bool] = lambda _: True
) -> np.ndarray:
    """Only the images that `load_training_set` would hold out: [M, R, R, 3] uint8; fewer are a part of more.

    Raises:
        BadInputError: a source is missing or cannot be read.
        AlbumTooSmallError: fewer images than wanted.
    """
    with ExitStack() as stack:
        return _hold_out(open_entries(sources, stack), resolution, count, may_hold_out)[0]


def _hold_out(
    entries: Sequence[Entry], resolution: int, count: int, may_hold_out: Callable[[str], bool]
) -> tuple[np.ndarray, set[int], set[int]]:
    """The held-out images in the order of their names' hashes, their places, and broken places met on the way."""
    allowed = [place for place, entry in enumerate(entries) if may_hold_out(entry.name)]
    images: list[np.ndarray] = []
    places, broken = set(), set()
    for place in sorted(allowed, key=lambda i: hashlib.sha256(entries[i].name.encode()).hexdigest()):
        if len(images) == count:
            break
        try:
            images.append(_square(decode_photo(entries[place].read()), resolution))
            places.add(place)
        except BadInputError:
            broken.add(place)
    if len(images) < count:
        raise AlbumTooSmallError(
            f"{len(entries)} images were found, {len(images)} of which can be held out; {count} are to be.",
            "Name a folder or zip with more images, or hold fewer out with --held-out.",
        )
    return np.stack(images) if images else _allocate(0, resolution), places, broken


def _allocate(count: int, resolution: int) -> np.ndarray:
    needed, present = count * resolution**2 * 3, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > present:
        raise OutOfMemoryError(
            f"{count} images of {resolution} pixels a side need {needed / 2**30:.0f} GB of memory; "
            f"this machine has {present / 2**30:.0f}.",
            "Name fewer images.",
        )
    return np.empty((count, resolution, resolution, 3), np.uint8)


def _square(image: np.ndarray, resolution: int) -> np.ndarray:
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = image[top : top + side, left : left + side]
    if side == resolution:
        return square
    kind = cv2.INTER_AREA if side > resolution else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(square, (resolution, resolution), interpolation=kind))

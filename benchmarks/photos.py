"""What the benchmarks measure on: real photos from the folder beside the checkout. None of them is ours to publish."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from core.imaging.degrade import Degradation, degrade
from core.imaging.intake import decode_photo, encode
from core.imaging.resize import resize
from core.pipeline.request import Photo
from core.priors.training.dataset import load_held_out
from core.priors.training.sources import names_from_index

HOLD_OUT_SOURCES = ("All-Age-Faces", "US Congress portraits")
DEGRADED_HERE = {"federer": "roger_federer", "iu": "iu", "messi": "lionel_messi", "sharapova": "maria_sharapova"}
"""Subjects with clean albums only, and their folders."""


@dataclass(frozen=True)
class Subject:
    """A person with clean album photos and degraded ones.

    Attributes:
        name: of the person.
        album: clean crops.
        degraded: crops to restore.
        truths: by a degraded photo's label, the clean crop where there is one.
    """

    name: str
    album: tuple[Photo, ...]
    degraded: tuple[Photo, ...]
    truths: dict[str, np.ndarray] = field(default_factory=dict)


def held_out_faces(shared: Path, count: int, resolution: int) -> np.ndarray:
    """The faces that the starter's training holds out first: [N, R, R, 3] uint8.

    The training takes the ones with the smallest hash of their names, so that a smaller `count` is a part of a larger.
    """
    folder = shared / "photos" / "faces128"
    allowed = names_from_index(folder / "index.csv", HOLD_OUT_SOURCES)
    return load_held_out(sorted(folder.glob("*.zip")), resolution, count, lambda name: name in allowed)


def album_faces(shared: Path, count: int, resolution: int) -> np.ndarray:
    """Faces of five people that no training has seen, as many of each: [N, R, R, 3] uint8."""
    albums = sorted(folder for folder in (shared / "photos" / "albums_aligned").iterdir() if folder.is_dir())
    photos = [path for album in albums for path in sorted(album.glob("*.jpg"))[: -(-count // len(albums))]]
    return np.stack([resize(decode_photo(path.read_bytes()), resolution) for path in photos[:count]])


def degraded_face(face: np.ndarray, kind: Degradation, number: int) -> Photo:
    """A held-out face, degraded the same way each time: face `number` has its own generator for each kind."""
    # The kind's letters seed the generator; Python's own hash would change from run to run.
    rng = np.random.default_rng([number, *kind.encode()])
    return Photo(f"{kind}-{number:03d}", encode(degrade(face, kind, rng)), aligned=True)


def real_degraded(shared: Path) -> tuple[Photo, ...]:
    """The aligned faces with unknown degradations."""
    folder = shared / "photos" / "degraded" / "aligned"
    return tuple(_photo(path) for path in sorted(folder.iterdir()) if path.suffix in {".png", ".jpg"})


def subject(shared: Path, name: str) -> Subject:
    """One of the personal cases: obama and hermione have real degraded photos, the others none.

    Of federer, iu, messi and sharapova every seventh album photo is degraded here, so that there is a truth, and is
    left out of the album.

    Raises:
        KeyError: another name.
    """
    photos = shared / "photos"
    if name == "obama":
        folder = photos / "real_personal" / "obama"
        return Subject(name, _folder(folder / "album"), _folder(folder / "degraded_aligned"))
    if name == "hermione":
        photo = _photo(photos / "degraded" / "aligned" / "diffbir_hermione.jpg")
        return Subject(name, _folder(photos / "albums_aligned" / "emma_watson"), (photo,))
    if name in DEGRADED_HERE:
        album = _folder(photos / "albums_aligned" / DEGRADED_HERE[name])
        clean = {f"mix-{number:03d}": decode_photo(photo.data) for number, photo in enumerate(album[::7])}
        degraded = tuple(degraded_face(face, "mix", number) for number, face in enumerate(clean.values()))
        rest = tuple(photo for index, photo in enumerate(album) if index % 7)
        return Subject(name, rest, degraded, clean)
    raise KeyError(name)


def rotations(album: tuple[Photo, ...], tuned_on: int, count: int) -> list[tuple[tuple[Photo, ...], tuple[Photo, ...]]]:
    """Ways to split an album into anchors and photos held out to measure identity on.

    The held-out ones are spread over the album, which is sorted by sharpness, so that neither side gets only the
    sharp ones. Turns shift them: 6 of 9 in three turns hold each photo out once.

    Args:
        album: all photos.
        tuned_on: how many anchors.
        count: splits wanted.

    Returns:
        (anchors, held out) for each.
    """
    away = len(album) - tuned_on
    splits = []
    for turn in range(count):
        held_out = {(place * count + turn) * len(album) // (away * count) for place in range(away)}
        anchors = tuple(photo for index, photo in enumerate(album) if index not in held_out)
        splits.append((anchors, tuple(album[index] for index in sorted(held_out))))
    return splits


def _folder(folder: Path) -> tuple[Photo, ...]:
    return tuple(_photo(path) for path in sorted(folder.iterdir()) if path.suffix in {".png", ".jpg"})


def _photo(path: Path) -> Photo:
    return Photo(path.stem, path.read_bytes(), aligned=True)

"""Curation on two real albums, whose 80 photos were labelled by eye.

`curation_labels.csv` holds one line a photo, found by the sha256 of its file: whether it shows the album's person well
enough to be used (yes, doubtful, no), where the middle between that person's eyes is, as fractions of the photo (empty
where no face was found, or where all are that person's), and a letter that photos of one moment share. Thresholds were
set on the photos with even numbers; those with odd ones were only counted.
"""

import csv
import hashlib
import multiprocessing
import os
import zipfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from core.imaging.curate import (
    AlbumCandidate,
    CandidateFace,
    CurationReport,
    PhotoFacts,
    candidate_of,
    decide,
    describe,
)
from core.imaging.faces import DlibFaceFinder
from core.imaging.intake import decode_photo

ALBUMS = ("roger_federer", "emma_watson")
LABELS = Path(__file__).with_name("curation_labels.csv")
NEAR = 0.02
"""Of the photo's sides: another face's eyes are at least 0.1 away."""

Measured = list[tuple[dict[str, str], PhotoFacts, list[np.ndarray]]]


@pytest.fixture(scope="module")
def albums(shared: Path) -> dict[str, Measured]:
    """For each photo its label, what was measured, and where each face's eyes are, as fractions."""
    with LABELS.open() as file:
        labels = {row["sha256"]: row for row in csv.DictReader(file)}
    paths = {album: _photos(shared / "photos" / "albums_raw" / album) for album in ALBUMS}
    # Nearly all of this suite's time is dlib's; it knows one core.
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as pool:
        measured = {album: list(pool.map(_measure, paths[album], chunksize=4)) for album in ALBUMS}
    return {album: [(labels[sha256], facts, eyes) for sha256, facts, eyes in measured[album]] for album in ALBUMS}


def _photos(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.jpg"))


def _measure(path: Path) -> tuple[str, PhotoFacts, list[np.ndarray]]:
    """Copies of large photos that are larger still are not searched: half of the time, and nobody is missed here."""
    data = path.read_bytes()
    image = decode_photo(data)
    candidate = candidate_of(path.stem, image, DlibFaceFinder(finest_scale=1.0), most_pixels=512)
    size = np.array([image.shape[1], image.shape[0]])
    eyes = [found.face.eyes.mean(axis=0) / size for found in candidate.faces if found.face is not None]
    return hashlib.sha256(data).hexdigest(), describe(candidate), eyes


def _report(measured: Measured, resolution: int) -> CurationReport:
    return decide([facts for _, facts, _ in measured], resolution)


def _wrong_people(measured: Measured, report: CurationReport) -> list[str]:
    """Photos that were kept for a face that is not the person's."""
    wrong = []
    for place in report.kept:
        (label, _, eyes), face = measured[place], report.photos[place].face
        if label["usable"] == "no":
            wrong.append(label["number"])
        elif label["eyes_x"] and face is not None:
            there = np.array([float(label["eyes_x"]), float(label["eyes_y"])])
            wrong += [label["number"]] if np.abs(eyes[face] - there).max() > NEAR else []
    return wrong


def _large_enough(label: dict[str, str], facts: PhotoFacts, eyes: list[np.ndarray], resolution: int) -> bool:
    there = np.array([float(label["eyes_x"]), float(label["eyes_y"])])
    face = facts.faces[int(np.argmin([np.abs(one - there).max() for one in eyes]))]
    return face.side_pixels * 2 >= resolution


def _moments(measured: Measured, places: range | tuple[int, ...]) -> set[str]:
    """The usable moments that photos show; two photos of one moment are one."""
    return {
        measured[place][0]["moment"] or measured[place][0]["number"]
        for place in places
        if measured[place][0]["usable"] == "yes"
    }


@pytest.mark.parametrize("resolution", [128, 256])
@pytest.mark.parametrize("album", ALBUMS)
def test_the_person_s_usable_photos_are_kept_and_no_other_person_comes_through(albums, album, resolution):
    measured = albums[album]
    assert len(measured) == 40
    report = _report(measured, resolution)
    report.require_usable()
    assert _wrong_people(measured, report) == []
    for half in (0, 1):
        places = [place for place in range(half, 40, 2) if measured[place][0]["usable"] == "yes"]
        usable = _moments(measured, tuple(place for place in places if _large_enough(*measured[place], resolution)))
        assert len(_moments(measured, report.kept) & usable) >= 0.95 * len(usable)


@pytest.mark.parametrize("album", ALBUMS)
def test_of_two_photos_of_one_moment_one_is_kept(albums, album):
    measured = albums[album]
    report = _report(measured, 128)
    twice = [place for place, (label, _, _) in enumerate(measured) if label["moment"]]
    assert len(twice) == 2
    assert len(set(twice) & set(report.kept)) == 1
    assert [photo.code for photo in report.photos].count("duplicate") == 1


def test_a_third_of_another_person_s_album_does_not_come_through(albums):
    for own, other in (ALBUMS, ALBUMS[::-1]):
        alone = _report(albums[own], 128)
        mixed = _report(albums[own] + albums[other][::3], 128)
        assert all(place < 40 for place in mixed.kept)
        assert mixed.kept == alone.kept


def test_both_albums_in_one_zip_are_nobody_s_album(albums):
    report = _report(albums[ALBUMS[0]] + albums[ALBUMS[1]], 128)
    assert report.refusal is not None
    assert report.refusal.code == "album_mixed_identity"


def test_a_person_whom_dlib_tells_badly_from_strangers_is_told_by_the_album_s_own_line(shared):
    """A stranger within 0.55 of this person is no rarity: 144 of 350 from All-Age-Faces are."""
    own = [decode_photo(path.read_bytes()) for path in sorted((shared / "photos" / "albums_aligned" / "iu").iterdir())]
    strangers = _all_age_faces(shared / "photos" / "faces128", 15)
    crops = [*own[:24], *strangers]
    facts = [describe(AlbumCandidate(str(place), (CandidateFace(crop),))) for place, crop in enumerate(crops)]
    report = decide(facts, 128)
    centre = np.mean([photo.faces[0].vector for photo in facts[:24]], axis=0)
    near = [photo for photo in facts[24:] if np.linalg.norm(photo.faces[0].vector - centre) < 0.55]
    through = [photo for photo in report.photos[24:] if photo.code not in ("other_person", "person_unsure")]
    assert len(near) >= 5
    assert len(through) <= 1
    assert sum(photo.code in ("", "duplicate") for photo in report.photos[:24]) >= 22


def _all_age_faces(folder: Path, count: int) -> list[np.ndarray]:
    with (folder / "index.csv").open() as file:
        names = [row["file"] for row in csv.DictReader(file) if row["source"] == "All-Age-Faces"]
    chosen = names[:: len(names) // count][:count]
    pictures = {}
    for path in sorted(folder.glob("*.zip")):
        with zipfile.ZipFile(path) as archive:
            inside = {Path(name).name: name for name in archive.namelist()}
            pictures |= {name: archive.read(inside[name]) for name in chosen if name in inside}
    return [decode_photo(pictures[name]) for name in chosen]

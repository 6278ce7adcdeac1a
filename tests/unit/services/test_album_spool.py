import errno
import hashlib
from pathlib import Path

import pytest

from core.domain.errors import (
    ArchiveRejectedError,
    BodyTooLargeError,
    DiskFullError,
    ImageUnreadableError,
    InvalidRequestError,
    UnsupportedFormatError,
)
from core.services.album_spool import AlbumSpool
from core.services.uploads import UploadLimits
from core.storage.base import BlobRef, read_blob
from core.storage.memory import MemoryStore
from tests.small_photos import photo, zip_of, zipped

LIMITS = UploadLimits(photo_bytes=10_000, archive_bytes=100_000)


@pytest.fixture
def spool(tmp_path):
    made = AlbumSpool("own_x", LIMITS, tmp_path)
    yield made
    made.close()


def send(spool, label, data, piece=7):
    spool.begin(label)
    for begin in range(0, len(data), piece):
        spool.write(data[begin : begin + piece])
    spool.end()


def test_photos_are_known_by_the_hash_of_their_bytes(spool):
    for number in range(3):
        send(spool, f"{number}.png", photo(number))
    found = spool.photos()
    assert [one.label for one in found] == ["0.png", "1.png", "2.png"]
    assert found[1].ref == BlobRef("own_x", hashlib.sha256(photo(1)).hexdigest(), len(photo(1)))
    assert {one.media_type for one in found} == {"image/png"}


def test_a_zip_s_photos_are_the_same_as_the_photos(spool, tmp_path):
    send(spool, "album.zip", zip_of(range(3)))
    other = AlbumSpool("own_x", LIMITS, tmp_path)
    for number in range(3):
        send(other, f"photo-{number}.png", photo(number))
    assert spool.photos() == other.photos()
    other.close()


def test_the_same_photo_twice_is_one_under_its_first_name(spool):
    send(spool, "a.png", photo(0))
    send(spool, "b.png", photo(0))
    assert [one.label for one in spool.photos()] == ["a.png"]


def test_only_what_is_wanted_goes_into_the_store(spool):
    send(spool, "album.zip", zip_of(range(4)))
    wanted = [one.ref for one in spool.photos()][1:3]
    store = MemoryStore()
    spool.store(store, wanted)
    assert set(store.refs()) == set(wanted)
    assert read_blob(store, wanted[0]) == photo(1)


def test_something_else_under_a_photo_s_name_has_no_media_type(spool):
    send(spool, "album.zip", zipped({"a.jpg": b"text", "b.png": photo(0)}))
    assert [(one.label, one.media_type) for one in spool.photos()] == [("a.jpg", None), ("b.png", "image/png")]


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [("a.zip", zip_of(range(3))), ("b.zip", zip_of(range(3)))],
        [("a.png", photo(0)), ("b.zip", zip_of(range(3)))],
    ],
    ids=["nothing", "two zips", "a photo and a zip"],
)
def test_an_album_is_one_zip_or_photos(spool, parts):
    for label, data in parts:
        send(spool, label, data)
    with pytest.raises(InvalidRequestError):
        spool.photos()


def test_a_damaged_zip_is_refused_before_anything_is_stored(spool):
    send(spool, "a.zip", zip_of(range(3))[:200])
    with pytest.raises(ArchiveRejectedError):
        spool.photos()


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"GIF89a and so on", UnsupportedFormatError),
        (b"", ImageUnreadableError),
        (photo(0) + bytes(10_000), BodyTooLargeError),
        (zip_of(range(1)) + bytes(100_000), BodyTooLargeError),
    ],
)
def test_what_is_not_taken_is_refused_while_it_arrives(spool, data, error):
    with pytest.raises(error):
        send(spool, "x", data)


def test_a_full_disk_is_told_as_such(spool, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    spool.begin("a.png")
    monkeypatch.setattr(spool, "_file", type("Full", (), {"write": staticmethod(full), "close": lambda _: None})())
    with pytest.raises(DiskFullError, match="No space"):
        spool.write(photo(0))


def test_what_is_large_lies_in_the_folder_that_was_named_and_nowhere_when_closed(tmp_path):
    spool = AlbumSpool("own_x", UploadLimits(10**7, 10**7), tmp_path)
    send(spool, "large.png", photo(0) + bytes(2 * 2**20), 2**20)
    (handle,) = [fd for fd in Path("/proc/self/fd").iterdir() if _target(fd).startswith(str(tmp_path))]
    spool.close()
    assert not _target(handle).startswith(str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_away_is_met_by_large_albums_alone(tmp_path):
    spool = AlbumSpool("own_x", UploadLimits(10**7, 10**7), tmp_path / "absent")
    send(spool, "small.png", photo(0))
    with pytest.raises(FileNotFoundError):
        send(spool, "large.png", photo(0) + bytes(2 * 2**20), 2**20)
    spool.close()


def _target(handle):
    try:
        return str(handle.readlink())
    except OSError:  # closed meanwhile
        return ""

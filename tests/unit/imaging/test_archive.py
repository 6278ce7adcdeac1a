import errno
import io
import stat
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from core.domain.errors import ArchiveRejectedError, BadInputError
from core.imaging.archive import ArchiveLimits, read_album, read_album_zip
from core.imaging.intake import encode

PICTURE = encode(np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8))


def zipped(entries, compression=zipfile.ZIP_DEFLATED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return buffer.getvalue()


def test_images_come_in_order_of_their_names_and_the_rest_is_left_out():
    names = ["b.png", "a.jpg", "folder/c.webp", "notes.txt", "__MACOSX/._a.jpg", ".hidden.png", "folder/.DS_Store"]
    photos = read_album_zip(zipped([(name, PICTURE) for name in names]))
    assert [photo.name for photo in photos] == ["a.jpg", "b.png", "c.webp"]
    assert all(photo.data == PICTURE for photo in photos)


def test_a_folder_is_read_alike(tmp_path):
    for name in ("b.png", "a.jpg", "notes.txt", ".hidden.png"):
        (tmp_path / name).write_bytes(PICTURE)
    assert [photo.name for photo in read_album(tmp_path)] == ["a.jpg", "b.png"]


def test_of_a_folder_those_inside_are_read_too_as_of_a_zip(tmp_path):
    names = ["b.png", "a/c.jpg", "a/d/e.webp", ".hidden/f.png", "__MACOSX/g.png", "a/.thumbnails/h.png"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(PICTURE)
    found = [photo.name for photo in read_album(tmp_path)]
    assert found == ["c.jpg", "e.webp", "b.png"]
    assert found == [photo.name for photo in read_album_zip(zipped([(name, PICTURE) for name in names]))]


def test_a_folder_that_is_no_album_is_refused_before_it_is_read(tmp_path):
    for name in ("a.png", "b.png", "c.png"):
        (tmp_path / name).write_bytes(PICTURE)
    with pytest.raises(BadInputError, match=r"holds 3 photos, more than an album may: 2 photos.*one person"):
        read_album(tmp_path, ArchiveLimits(max_entries=2))
    with pytest.raises(BadInputError, match="more than an album may"):
        read_album(tmp_path, ArchiveLimits(max_total_bytes=2 * len(PICTURE)))


def test_an_album_without_photos_says_what_would_be_read(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "notes.txt").write_bytes(b"no picture")
    (tmp_path / "album.zip").write_bytes(zipped([("notes.txt", b"no picture")]))
    for name in ("folder", "album.zip"):
        with pytest.raises(BadInputError, match=r"The album has no photos.*JPEG, PNG, WebP.*Name a zip or a folder"):
            read_album(tmp_path / name)


def test_a_file_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    """Tests may run as root, who may read everything: the system's refusal is made here."""
    (tmp_path / "album").mkdir()
    for path in (tmp_path / "album" / "a.png", tmp_path / "album.zip"):
        path.write_bytes(PICTURE)

    def refuse(self):
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(BadInputError, match=r"a\.png cannot be read: Permission denied\. Check who may read it"):
        read_album(tmp_path / "album")
    with pytest.raises(BadInputError, match=r"album\.zip cannot be read: Permission denied"):
        read_album(tmp_path / "album.zip")


def test_names_that_climb_are_labels_and_nothing_more():
    photos = read_album_zip(zipped([("../../etc/evil.png", PICTURE), ("/abs/evil2.png", PICTURE)]))
    assert sorted(photo.name for photo in photos) == ["evil.png", "evil2.png"]


def encrypted():
    data = bytearray(zipped([("a.png", PICTURE)]))
    directory = data.rfind(b"PK\x01\x02")
    data[directory + 8] |= 1
    return bytes(data)


def with_link():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        info = zipfile.ZipInfo("a.png")
        info.create_system = 3
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    return buffer.getvalue()


def overlapping():
    data = bytearray(zipped([("a.png", PICTURE), ("b.png", PICTURE)], zipfile.ZIP_STORED))
    second = data.find(b"PK\x01\x02", data.find(b"PK\x01\x02") + 4)
    struct.pack_into("<L", data, second + 42, 10)  # the second entry claims to lie inside the first
    return bytes(data)


def too_many():
    return zipped([(f"{i}.png", b"") for i in range(2_001)])


def ratio_bomb():
    return zipped([("a.png", b"\0" * (3 * 2**20))])


BAD = {
    "not a zip": b"rubbish",
    "empty file": b"",
    "cut off": zipped([("a.png", PICTURE)])[:-30],
    "encrypted": encrypted(),
    "a link": with_link(),
    "overlapping": overlapping(),
    "too many": too_many(),
    "a bomb": ratio_bomb(),
    "nested": zipped([("inner.zip", zipped([("a.png", PICTURE)]))]),
    "another method": zipped([("a.png", PICTURE * 20)], zipfile.ZIP_LZMA),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_archive_is_refused_with_advice(name):
    with pytest.raises(ArchiveRejectedError) as caught:
        read_album_zip(BAD[name])
    assert caught.value.advice


def test_sizes_are_counted_and_not_believed():
    data = zipped([("a.png", b"x" * 5_000), ("b.png", b"y" * 5_000)])
    with pytest.raises(ArchiveRejectedError, match="too large"):
        read_album_zip(data, ArchiveLimits(max_entry_bytes=4_000))
    with pytest.raises(ArchiveRejectedError, match="too large"):
        read_album_zip(data, ArchiveLimits(max_total_bytes=8_000))


def test_damaged_bytes_inside_are_found_by_their_checksum():
    data = bytearray(zipped([("a.png", PICTURE)], zipfile.ZIP_STORED))
    data[60] ^= 0xFF
    with pytest.raises(ArchiveRejectedError):
        read_album_zip(bytes(data))


def test_an_absent_album_says_so(tmp_path):
    with pytest.raises(BadInputError, match="does not exist"):
        read_album(tmp_path / "absent.zip")

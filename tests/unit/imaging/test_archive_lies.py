"""What a zip's own numbers say and its bytes do not."""

import zipfile
from io import BytesIO

import pytest

from core.domain.errors import ArchiveRejectedError
from core.imaging.archive import ArchiveLimits, photos_of_zip, read_album_zip
from tests.corpus import zips

CASES = {case.name: case for case in zips.cases()}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("zip of 5,000 entries that says it has five", "holds 5,000 entries"),
        ("zip of the 64-bit kind behind its end record", "64-bit kind"),
        ("zip of one entry named a thousand times", "overlap"),
        ("zip whose entry reaches into the directory", "overlap"),
        ("zip with 1,900 times a megabyte less one byte", "far more than it holds"),
        ("zip with a gigabyte in one entry", "too large together"),
        ("zip encrypted", "encrypted"),
    ],
)
def test_it_is_refused_for_what_it_is(name, message):
    with pytest.raises(ArchiveRejectedError, match=message):
        read_album_zip(CASES[name].make())


def test_a_bomb_of_many_small_entries_is_stopped_after_sixteen_megabytes():
    photos = photos_of_zip(BytesIO(zips.same_entries(1_900, 2**20 - 1)))
    assert sum(len(next(photos).data) for _ in range(16)) <= 16 * 2**20
    with pytest.raises(ArchiveRejectedError):
        next(photos)


def test_photos_that_pack_well_are_no_bomb():
    data = zips.same_entries(20, 2**20 - 1)
    assert len(read_album_zip(data, ArchiveLimits(max_ratio=2_000))) == 20


def test_a_folder_may_be_called_like_an_archive():
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("album.zip/", b"")
        file.writestr("album.zip/a.png", b"x")
    assert [photo.name for photo in read_album_zip(buffer.getvalue())] == ["a.png"]

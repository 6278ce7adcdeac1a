import pytest

from core.imaging.signature import HEAD_BYTES, PHOTO_SUFFIXES, ZIP, media_type_of
from tests.small_photos import photo, zip_of, zipped


@pytest.mark.parametrize("file_format", ["jpeg", "png", "webp"])
def test_photos_are_told_by_their_first_bytes(file_format):
    media_type = media_type_of(photo(0, file_format)[:HEAD_BYTES])
    assert media_type == f"image/{file_format}"
    assert media_type in PHOTO_SUFFIXES


def test_zips_are_told_too_even_an_empty_one():
    assert media_type_of(zip_of(range(1))[:HEAD_BYTES]) == ZIP
    assert media_type_of(zipped({})[:HEAD_BYTES]) == ZIP


@pytest.mark.parametrize(
    "head", [b"", b"GIF89a", b"II*\x00", b"%PDF-1.7", b"<svg xmlns=", b"RIFF\0\0\0\0WAVE", b"\xff\xd8", b"\x89PNG"]
)
def test_everything_else_is_nothing_that_we_open(head):
    assert media_type_of(head) is None

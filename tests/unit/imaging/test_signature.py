import pytest
from PIL import Image

from core.imaging.original import heic
from core.imaging.signature import HEAD_BYTES, HEIC, PHOTO_SUFFIXES, ZIP, kinds, media_type_of, readable
from tests.photo_files import saved
from tests.small_photos import photo, zip_of, zipped


@pytest.mark.parametrize("file_format", ["jpeg", "png", "webp"])
def test_photos_are_told_by_their_first_bytes(file_format):
    media_type = media_type_of(photo(0, file_format)[:HEAD_BYTES])
    assert media_type == f"image/{file_format}"
    assert media_type in PHOTO_SUFFIXES


def test_both_orders_of_bytes_are_a_tiff():
    assert media_type_of(saved(Image.new("L", (8, 8)), "TIFF")[:HEAD_BYTES]) == "image/tiff"
    assert media_type_of(b"MM\0*\0\0\0\x08") == "image/tiff"


def test_heic_is_told_where_it_cannot_be_read_too(monkeypatch):
    head = b"\0\0\0\x18ftypheic"
    assert media_type_of(head) == HEIC
    for there in (True, False):
        monkeypatch.setattr(heic, "available", lambda there=there: there)
        assert readable(HEIC) is there
        assert ("HEIC" in kinds()) is there
        assert readable("image/tiff")
        assert not readable(ZIP)
        assert not readable(None)


def test_films_are_no_photos():
    assert media_type_of(b"\0\0\0\x20ftypisom") is None
    assert media_type_of(b"\0\0\0\x20ftypavif") is None


def test_zips_are_told_too_even_an_empty_one():
    assert media_type_of(zip_of(range(1))[:HEAD_BYTES]) == ZIP
    assert media_type_of(zipped({})[:HEAD_BYTES]) == ZIP


@pytest.mark.parametrize(
    "head", [b"", b"GIF89a", b"II*", b"%PDF-1.7", b"<svg xmlns=", b"RIFF\0\0\0\0WAVE", b"\xff\xd8", b"\x89PNG"]
)
def test_everything_else_is_nothing_that_we_open(head):
    assert media_type_of(head) is None

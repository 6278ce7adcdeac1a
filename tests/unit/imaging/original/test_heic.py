"""Needs pillow-heif, the extra `heic`; another of its entrances than the code's writes and reads the files here."""

import io

import numpy as np
import pytest
from PIL import Image

from core.domain.errors import ImageTooLargeError, ImageUnreadableError, UnsupportedFormatError
from core.imaging.intake import Limits
from core.imaging.original import heic
from core.imaging.original.photo import Original
from core.imaging.original.reading import read_original
from core.imaging.original.saving import save
from tests.photo_files import noise, wide_profile

pillow_heif = pytest.importorskip("pillow_heif")


def heic_file(pixels, **options):
    buffer = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(pixels)).save(
        buffer, quality=-1, chroma=444, matrix_coefficients=0, **options
    )
    return buffer.getvalue()


def smooth(dtype=np.uint8):
    rows, columns = np.mgrid[0:64, 0:96]
    levels = np.stack([rows * 3, columns * 2, 255 - columns * 2], axis=2)
    return (levels * (257 if dtype == np.uint16 else 1)).astype(dtype)


def test_a_phone_s_photo_is_read_upright_whatever_its_exif_says():
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Phone"
    original = read_original(heic_file(smooth(), exif=exif.tobytes()))
    assert original.file_format == "heic"
    turned = np.rot90(smooth(), -1)  # the writer has moved EXIF's orientation into HEIC's own `irot`
    assert np.abs(original.pixels.astype(int) - turned).max() <= 2
    assert b"Phone" in original.exif


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_it_comes_out_as_heic_with_its_profile_and_the_mark(dtype):
    result = save(Original(smooth(dtype), "heic", wide_profile()))
    assert (result.suffix, result.media_type) == ("heic", "image/heic")
    read = pillow_heif.open_heif(result.data, convert_hdr_to_8bit=False)
    full = np.iinfo(dtype).max
    assert np.abs(np.asarray(read) / full - smooth(dtype) / full).mean() < 0.01
    assert read.info["bit_depth"] == (8 if dtype == np.uint8 else 10)
    assert read.info["icc_profile"] == wide_profile()
    assert b"compositeWithTrainedAlgorithmicMedia" in read.info["xmp"]


def test_limits_hold():
    with pytest.raises(ImageTooLargeError, match="64 × 64"):
        read_original(heic_file(noise(3, np.uint8, 64, 64)), Limits(max_side_pixels=50))


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_a_file_that_was_cut_off_is_refused(part):
    data = heic_file(noise(3, np.uint8, 64, 64))
    with pytest.raises((ImageUnreadableError, UnsupportedFormatError)):
        read_original(data[: int(part * len(data))])


def test_without_the_library_heic_is_one_more_format_that_is_not_read(monkeypatch):
    data = heic_file(smooth())
    monkeypatch.setattr(heic, "available", lambda: False)
    with pytest.raises(UnsupportedFormatError, match="Send a JPEG, PNG, WebP or TIFF photo"):
        read_original(data)

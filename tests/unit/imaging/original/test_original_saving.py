import io

import numpy as np
import pytest
import tifffile
from PIL import Image, JpegImagePlugin

from core.domain.errors import UnsupportedFormatError
from core.imaging.original import heic
from core.imaging.original.photo import Original
from core.imaging.original.reading import read_original
from core.imaging.original.saving import save
from core.imaging.signature import media_type_of
from tests.photo_files import deep_file, grey_profile, noise, read_elsewhere, saved, wide_profile


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_the_same_kind_of_file_comes_out_and_its_name_is_true(kind):
    result = save(read_original(saved(Image.fromarray(noise(3, np.uint8)), kind)))
    with Image.open(io.BytesIO(result.data)) as picture:
        assert picture.format == kind
    assert result.file_format == kind.lower()
    assert result.media_type == f"image/{kind.lower()}"
    assert result.suffix == {"JPEG": "jpg", "TIFF": "tif"}.get(kind, kind.lower())
    assert kind == "TIFF" or media_type_of(result.data[:12]) == result.media_type


@pytest.mark.parametrize("asked", ["jpeg", "png", "webp", "tiff"])
def test_another_format_comes_out_where_it_is_asked_for(asked):
    result = save(read_original(deep_file(noise(3, np.uint16), ".png")), asked)
    with Image.open(io.BytesIO(result.data)) as picture:
        assert picture.format.lower() == result.file_format == asked


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_every_pixel_of_a_lossless_file_is_kept(kind, dtype, channels):
    pixels = noise(channels, dtype, 300, 211)
    data = save(Original(pixels, kind)).data
    if channels == 2 and dtype == np.uint16:
        if kind == "tiff":  # which neither Pillow nor OpenCV opens
            assert np.array_equal(tifffile.imread(io.BytesIO(data)), pixels)
            return
        pixels = pixels[..., [0, 0, 0, 1]]  # as OpenCV gives it
    assert np.array_equal(read_elsewhere(data), pixels)


def test_a_lossless_webp_is_known_behind_its_colour_profile_too():
    picture, profile = Image.fromarray(noise(3, np.uint8)), wide_profile()
    original = read_original(saved(picture, "WEBP", lossless=True, icc_profile=profile))
    assert original.lossless
    assert np.array_equal(read_elsewhere(save(original).data), np.asarray(picture))
    assert not read_original(saved(picture, "WEBP", quality=50, icc_profile=profile)).lossless


def test_a_lossless_webp_stays_lossless_and_a_lossy_one_does_not_grow():
    picture = Image.fromarray(noise(4, np.uint8))
    lossless = read_original(saved(picture, "WEBP", lossless=True, exact=True))
    assert np.array_equal(read_elsewhere(save(lossless).data), np.asarray(picture))
    lossy = save(read_original(saved(picture, "WEBP", quality=50)))
    assert b"VP8L" not in lossy.data


@pytest.mark.parametrize("quality", [35, 75, 92])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_a_jpeg_has_the_tables_and_the_subsampling_of_its_source(quality, subsampling, portrait):
    data = saved(Image.fromarray(portrait[:200, :232]), "JPEG", quality=quality, subsampling=subsampling)
    result = save(read_original(data)).data
    with Image.open(io.BytesIO(data)) as before, Image.open(io.BytesIO(result)) as after:
        assert after.quantization == before.quantization
        assert JpegImagePlugin.get_sampling(after) == subsampling
        # Compressed alike, unchanged pixels hardly move. Chroma that was brought to full size is averaged once more.
        difference = np.abs(np.asarray(after).astype(int) - np.asarray(before))
        assert difference.mean() < (0.5 if subsampling == 0 else 2.0)
    assert len(result) < 1.1 * len(data) + 1_000


def test_a_progressive_jpeg_stays_one():
    result = save(read_original(saved(Image.fromarray(noise(3, np.uint8)), "JPEG", progressive=True)))
    with Image.open(io.BytesIO(result.data)) as picture:
        assert picture.info["progressive"]


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "tiff"])
def test_profile_and_resolution_are_kept_without_any_metadata(kind):
    original = Original(noise(3, np.uint8), kind, wide_profile(), dpi=(240.0, 120.0))
    with Image.open(io.BytesIO(save(original, keep_metadata="none", generated=False).data)) as picture:
        assert picture.info["icc_profile"] == wide_profile()
        assert kind == "webp" or picture.info["dpi"] == pytest.approx(
            (240, 120), abs=0.02
        )  # PNG counts whole pixels a metre


def test_grey_keeps_its_profile_where_the_format_has_grey():
    original = Original(noise(1, np.uint8), "png", grey_profile())
    for kind, mode, profile in (("jpeg", "L", grey_profile()), ("tiff", "L", grey_profile()), ("webp", "RGB", None)):
        with Image.open(io.BytesIO(save(original, kind).data)) as picture:
            assert (picture.mode, picture.info.get("icc_profile")) == (mode, profile)
    with Image.open(io.BytesIO(save(original, "webp").data)) as picture:
        assert np.array_equal(np.asarray(picture), original.working)


def test_what_says_how_a_png_s_numbers_are_meant_is_kept():
    plain = saved(Image.fromarray(noise(3, np.uint8)), "PNG")
    gamma = (4).to_bytes(4, "big") + b"gAMA" + (100_000).to_bytes(4, "big") + bytes.fromhex("31e8965f")
    original = read_original(plain[:33] + gamma + plain[33:])
    with Image.open(io.BytesIO(save(original).data)) as picture:
        picture.load()
        assert picture.info["gamma"] == 1.0
    assert b"gAMA" not in save(original, "tiff").data


def test_a_transparent_photo_lies_on_white_as_a_jpeg():
    pixels = np.zeros((32, 32, 4), np.uint16)
    with Image.open(io.BytesIO(save(Original(pixels, "png"), "jpeg").data)) as picture:
        assert np.asarray(picture).min() >= 254


def test_a_jpeg_that_was_cmyk_is_written_as_rgb():
    source = Image.fromarray(noise(3, np.uint8)).convert("CMYK")
    with Image.open(io.BytesIO(save(read_original(saved(source, "JPEG", quality=90))).data)) as picture:
        assert (picture.mode, picture.format) == ("RGB", "JPEG")


def test_heic_is_refused_with_advice_where_it_cannot_be_written(monkeypatch):
    monkeypatch.setattr(heic, "available", lambda: False)
    with pytest.raises(UnsupportedFormatError, match="Ask for JPEG"):
        save(Original(noise(3, np.uint8), "heic"))


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("orientation", [1, 6, 8])
def test_a_jpeg_that_lay_on_its_side_loses_no_more_than_an_upright_one(orientation, subsampling, portrait):
    across = [8 + 6 * (number % 8) + number // 8 for number in range(64)]  # coarser across than down
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(
        Image.fromarray(portrait[:192, :224]), "JPEG", qtables=[across, across], subsampling=subsampling, exif=exif
    )
    original = read_original(data)
    after = read_original(save(original).data)
    assert np.abs(after.pixels.astype(int) - original.pixels).mean() < 0.8

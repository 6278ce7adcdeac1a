import io
import zlib
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from core.domain.errors import ImageTooLargeError, ImageUnreadableError, UnsupportedFormatError
from core.imaging.intake import Limits, decode_photo
from core.imaging.original.reading import read_original
from tests.corpus.samples import chunk, png
from tests.photo_files import deep_file, grey_profile, noise, saved, wide_profile


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_eight_bits_are_read_as_they_are(kind, channels):
    pixels = noise(channels, np.uint8)
    original = read_original(saved(Image.fromarray(pixels.squeeze()), kind))
    assert original.pixels.dtype == np.uint8
    assert np.array_equal(original.pixels, pixels)
    assert (original.file_format, original.lossless) == (kind.lower(), True)


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sixteen_bits_are_read_as_they_are(suffix, channels):
    pixels = noise(channels, np.uint16)
    original = read_original(deep_file(pixels, suffix))
    assert original.pixels.dtype == np.uint16
    assert np.array_equal(original.pixels, pixels)


@pytest.mark.parametrize(
    "options",
    [{"byteorder": ">"}, {"tile": (16, 16)}, {"compression": "zlib", "predictor": True}, {"rowsperstrip": 7}],
    ids=str,
)
def test_a_sixteen_bit_tiff_may_be_laid_out_as_it_likes(options):
    pixels = noise(3, np.uint16)
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, photometric="rgb", **options)
    assert np.array_equal(read_original(file.getvalue()).pixels, pixels)


def test_planes_apart_are_refused_since_opencv_would_mix_them_up():
    file = io.BytesIO()
    tifffile.imwrite(file, noise(3, np.uint16).transpose(2, 0, 1), photometric="rgb", planarconfig="separate")
    with pytest.raises(UnsupportedFormatError, match="interleaved"):
        read_original(file.getvalue())


def test_premultiplied_colours_are_divided_by_their_alpha():
    straight = np.full((8, 8, 4), 40_000, np.uint16)
    straight[:4, :, 3] = 65_535
    straight[4:, :, 3] = 32_768
    premultiplied = straight.copy()
    premultiplied[..., :3] = np.round(straight[..., :3] * (straight[..., 3:] / 65_535.0))
    file = io.BytesIO()
    tifffile.imwrite(file, premultiplied, photometric="rgb", extrasamples=["assocalpha"])
    read = read_original(file.getvalue()).pixels
    assert np.array_equal(read[:4], straight[:4])
    assert np.abs(read.astype(int) - straight).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("deep", [False, True])
def test_a_tiff_is_turned_once(orientation, deep):
    pixels = noise(3, np.uint16 if deep else np.uint8)
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, photometric="rgb", extratags=[(274, 3, 1, orientation, True)])
    upright = {1: lambda p: p, 2: np.fliplr, 3: lambda p: np.rot90(p, 2), 4: np.flipud}
    upright |= {5: lambda p: p.swapaxes(0, 1), 6: lambda p: np.rot90(p, -1), 8: lambda p: np.rot90(p)}
    upright[7] = lambda p: np.rot90(p, 2).swapaxes(0, 1)
    assert np.array_equal(read_original(file.getvalue()).pixels, upright[orientation](pixels))


def test_a_jpeg_is_turned_by_its_exif_and_says_how_it_was_compressed():
    exif = Image.Exif()
    exif[0x0112] = 6
    data = saved(
        Image.new("RGB", (60, 40), (200, 30, 30)), "JPEG", exif=exif, quality=83, subsampling=1, progressive=True
    )
    original = read_original(data)
    assert original.pixels.shape == (60, 40, 3)
    # Half across has become half down, which Pillow cannot write: nothing of the colour is thrown away instead.
    assert (original.jpeg.subsampling, original.jpeg.progressive) == (0, True)
    with Image.open(io.BytesIO(data)) as source:
        stored = [np.reshape(table, (8, 8)) for table in source.quantization.values()]
    assert all(
        np.array_equal(np.reshape(table, (8, 8)), of.T) for table, of in zip(original.jpeg.tables, stored, strict=True)
    )


def test_the_first_frame_of_a_phone_s_mpo_is_read():
    first, second = Image.new("RGB", (60, 40), (9, 99, 199)), Image.new("RGB", (60, 40))
    original = read_original(saved(first, "MPO", save_all=True, append_images=[second], quality=95))
    assert original.file_format == "jpeg"
    assert np.abs(original.pixels.astype(int) - (9, 99, 199)).max() < 4


@pytest.mark.parametrize(("mode", "channels"), [("1", 1), ("L", 1), ("LA", 2), ("P", 3), ("RGB", 3), ("RGBA", 4)])
def test_grey_stays_grey_and_palettes_become_colours(mode, channels):
    picture = Image.fromarray(noise(3, np.uint8)).convert(mode)
    original = read_original(saved(picture, "PNG"))
    assert original.pixels.shape[2] == channels
    assert np.array_equal(
        original.pixels.squeeze(), np.asarray(picture.convert({"1": "L", "P": "RGB"}.get(mode, mode)))
    )


def test_a_transparent_colour_of_a_palette_becomes_alpha():
    picture = Image.new("P", (4, 4), 1)
    picture.putpalette([0, 0, 0, 255, 0, 0])
    picture.putpixel((0, 0), 0)
    original = read_original(saved(picture, "PNG", transparency=0))
    assert original.pixels[0, 0, 3] == 0
    assert original.pixels[1, 1].tolist() == [255, 0, 0, 255]


def test_cmyk_becomes_srgb_without_its_profile():
    picture = Image.fromarray(noise(3, np.uint8)).convert("CMYK")
    original = read_original(saved(picture, "JPEG", quality=95, icc_profile=wide_profile()))
    assert original.pixels.shape[2] == 3
    assert original.profile is None
    assert original.jpeg is not None


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_profile_and_resolution_come_along(kind):
    data = saved(Image.fromarray(noise(3, np.uint8)), kind, icc_profile=wide_profile(), dpi=(300, 300))
    original = read_original(data)
    assert original.profile == wide_profile()
    assert kind == "WEBP" or original.dpi == pytest.approx((300, 300), abs=0.01)


@pytest.mark.parametrize(
    "profile", [b"not a profile", grey_profile(), wide_profile()[:200]], ids=["rubbish", "grey", "cut"]
)
def test_a_profile_that_does_not_fit_is_left_out(profile):
    assert read_original(saved(Image.fromarray(noise(3, np.uint8)), "PNG", icc_profile=profile)).profile is None


def test_the_working_copy_of_eight_bits_is_what_intake_gives(portrait):
    small = np.ascontiguousarray(portrait[::4, ::4])
    for options in ({}, {"icc_profile": wide_profile()}):
        data = saved(Image.fromarray(small), "PNG", **options)
        assert np.abs(read_original(data).working.astype(int) - decode_photo(data)).max() <= 1


def test_the_working_copy_of_sixteen_bits_is_what_littlecms_makes_of_eight(portrait):
    small = np.ascontiguousarray(portrait[::4, ::4])
    data = deep_file(small.astype(np.uint16) * 257, ".tiff")
    with Image.open(io.BytesIO(saved(Image.fromarray(small), "PNG", icc_profile=wide_profile()))) as picture:
        source = ImageCms.ImageCmsProfile(io.BytesIO(wide_profile()))
        converted = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"))
    working = replace(read_original(data), profile=wide_profile()).working
    assert np.abs(working.astype(int) - np.asarray(converted)).max() <= 1


def test_transparency_lies_on_white_in_the_working_copy_alone():
    pixels = np.zeros((4, 4, 4), np.uint16)
    pixels[:2, :, 3] = 65_535
    original = read_original(deep_file(pixels, ".png"))
    assert original.working[0, 0].tolist() == [0, 0, 0]
    assert original.working[3, 0].tolist() == [255, 255, 255]
    assert np.array_equal(original.pixels, pixels)


def test_a_thumbnail_behind_a_tiff_s_photo_is_no_second_page():
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(noise(3, np.uint8), photometric="rgb")
        writer.write(noise(3, np.uint8, 8, 8), photometric="rgb", subfiletype=1)
    assert read_original(file.getvalue()).pixels.shape == (41, 53, 3)
    pages = saved(Image.new("L", (8, 8)), "TIFF", save_all=True, append_images=[Image.new("L", (8, 8))])
    with pytest.raises(UnsupportedFormatError, match="several pages"):
        read_original(pages)


@pytest.mark.parametrize("levels", [np.ones((8, 8), np.float32), np.ones((8, 8), np.int32)], ids=["float", "32 bits"])
def test_numbers_that_are_no_picture_s_are_refused(levels):
    with pytest.raises(UnsupportedFormatError, match="16 bits"):
        read_original(saved(Image.fromarray(levels), "TIFF"))


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
@pytest.mark.parametrize("part", [0.2, 0.5, 0.95])
def test_a_deep_file_that_was_cut_off_is_refused(suffix, part):
    data = deep_file(noise(3, np.uint16), suffix)
    with pytest.raises((ImageUnreadableError, UnsupportedFormatError)):
        read_original(data[: int(len(data) * part)])


def test_limits_hold_for_every_format():
    for data in (saved(Image.new("RGB", (50, 50)), kind) for kind in ("PNG", "JPEG", "WEBP", "TIFF")):
        with pytest.raises(ImageTooLargeError, match="50 × 50"):
            read_original(data, Limits(max_pixels=2_000))


@pytest.mark.parametrize("kind", ["GIF", "BMP", "PPM", "ICO"])
def test_other_formats_are_refused_by_name(kind):
    with pytest.raises(UnsupportedFormatError, match="JPEG, PNG, WebP"):
        read_original(saved(Image.new("RGB", (16, 16)), kind))


@pytest.mark.parametrize(
    "pixels", [b"rubbish" * 9, zlib.compress(b"\x09" * 193 * 64)], ids=["no zlib", "no such filter"]
)
def test_broken_pixels_are_found_though_the_exif_is_looked_for_behind_them(pixels):
    """Asking Pillow for a PNG's EXIF loads its pixels, and a second load of broken ones is silent."""
    with pytest.raises(ImageUnreadableError):
        read_original(png(64, 64)[:33] + chunk(b"IDAT", pixels) + chunk(b"IEND", b""))


def test_exif_behind_the_pixels_is_read():
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Maker", 6
    data = saved(Image.fromarray(noise(3, np.uint8)), "PNG")
    original = read_original(data[:-12] + chunk(b"eXIf", exif.tobytes()[6:]) + data[-12:])
    assert b"Maker" in original.exif
    assert original.pixels.shape == (53, 41, 3)

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from core.domain.errors import ImageTooLargeError, ImageUnreadableError, UnsupportedFormatError
from core.imaging.intake import Limits, decode_photo, encode
from tests.photo_files import deep_file


def gradient(height=40, width=60):
    rows, columns = np.mgrid[0:height, 0:width]
    return np.stack([rows * 5, columns * 4, 255 - columns * 4], axis=2).astype(np.uint8)


def saved(picture, kind, **options):
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["png", "webp"])
def test_lossless_formats_come_back_to_the_pixel(kind):
    assert np.array_equal(decode_photo(encode(gradient(), kind)), gradient())


def test_jpeg_comes_back_closely():
    difference = decode_photo(encode(gradient(), "jpeg", 95)).astype(int) - gradient()
    assert np.abs(difference).mean() < 3


@pytest.mark.parametrize("kind", ["GIF", "BMP", "PPM", "ICO"])
def test_other_formats_are_refused_by_name(kind):
    with pytest.raises(UnsupportedFormatError, match="JPEG, PNG, WebP"):
        decode_photo(saved(Image.fromarray(gradient()), kind))


def test_a_tiff_is_seen_as_its_original_s_working_copy():
    assert np.array_equal(decode_photo(saved(Image.fromarray(gradient()), "TIFF")), gradient())
    deep = np.full((20, 30, 3), 40_000, np.uint16)
    assert np.abs(decode_photo(deep_file(deep, ".tiff")).astype(int) - round(40_000 / 257)).max() <= 1


def test_a_heic_photo_is_read_where_the_extra_is_installed():
    pillow_heif = pytest.importorskip("pillow_heif")
    buffer = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(gradient())).save(buffer, quality=-1, chroma=444, matrix_coefficients=0)
    assert np.abs(decode_photo(buffer.getvalue()).astype(int) - gradient()).max() <= 1


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
def test_a_file_that_was_cut_off_is_refused(kind, part):
    data = saved(Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)), kind)
    with pytest.raises((ImageUnreadableError, UnsupportedFormatError)):
        decode_photo(data[: int(len(data) * part)])


@pytest.mark.parametrize("data", [b"", b"\x00" * 100, b"not a picture at all", b"\xff\xd8\xff\xe0rubbish" * 9])
def test_rubbish_is_refused_with_advice(data):
    with pytest.raises((ImageUnreadableError, UnsupportedFormatError)) as caught:
        decode_photo(data)
    assert caught.value.advice


def bomb(width, height):
    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("width", "height"), [(10_000, 10_000), (13_000, 10)])
def test_a_bomb_is_refused_by_its_header_before_a_pixel_is_decoded(width, height):
    with pytest.raises(ImageTooLargeError, match=f"{width} × {height}"):
        decode_photo(bomb(width, height))


def test_a_bomb_that_pillow_itself_refuses_is_refused_alike():
    with pytest.raises(ImageTooLargeError):
        decode_photo(bomb(60_000, 60_000))


def test_a_file_over_the_byte_limit_is_refused():
    with pytest.raises(ImageTooLargeError):
        decode_photo(encode(gradient()), Limits(max_bytes=100))


@pytest.mark.parametrize("kind", ["WEBP", "PNG"])
def test_an_animation_is_refused(kind):
    frames = [Image.fromarray(np.full((8, 8, 3), level, np.uint8)) for level in (0, 100, 200)]
    with pytest.raises(UnsupportedFormatError, match="animation"):
        decode_photo(saved(frames[0], kind, save_all=True, append_images=frames[1:]))


def test_a_phone_s_mpo_gives_its_first_frame():
    first, second = Image.fromarray(gradient()), Image.new("RGB", (60, 40))
    decoded = decode_photo(saved(first, "MPO", save_all=True, append_images=[second], quality=95))
    assert np.abs(decoded.astype(int) - gradient()).mean() < 4


def test_orientation_is_applied():
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees to see it upright
    decoded = decode_photo(saved(Image.fromarray(gradient()), "PNG", exif=exif))
    assert np.array_equal(decoded, np.rot90(gradient(), -1))


def test_sixteen_bits_are_scaled_and_not_cut():
    levels = np.linspace(0, 65_535, 64).astype(np.uint16).reshape(8, 8)
    decoded = decode_photo(saved(Image.fromarray(levels), "PNG"))
    assert np.array_equal(decoded[..., 0], np.round(levels / 257).astype(np.uint8))


def test_transparency_lies_on_white():
    picture = np.zeros((4, 4, 4), np.uint8)
    picture[:2, :, 3] = 255
    decoded = decode_photo(saved(Image.fromarray(picture), "PNG"))
    assert decoded[0, 0].tolist() == [0, 0, 0]
    assert decoded[3, 0].tolist() == [255, 255, 255]


@pytest.mark.parametrize("mode", ["L", "LA", "P", "1", "CMYK"])
def test_every_mode_becomes_rgb(mode):
    picture = Image.fromarray(gradient()).convert(mode)
    decoded = decode_photo(saved(picture, "JPEG" if mode == "CMYK" else "PNG"))
    assert decoded.shape == (40, 60, 3)
    assert decoded.dtype == np.uint8


def test_an_embedded_profile_is_converted_and_a_broken_one_ignored():
    grey = Image.fromarray(np.full((8, 8, 3), 128, np.uint8))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (srgb, b"not a profile"):
        decoded = decode_photo(saved(grey, "PNG", icc_profile=profile))
        assert np.abs(decoded.astype(int) - 128).max() <= 1


def test_no_warning_and_no_global_limit_of_pillow_decides(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ImageTooLargeError):
        decode_photo(encode(gradient()))  # Pillow's own, lowered by somebody: still our error, never a warning

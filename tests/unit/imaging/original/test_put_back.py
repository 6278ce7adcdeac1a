import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageCms

from core.imaging.original.photo import Original
from core.imaging.original.put_back import put_back
from core.imaging.original.reading import read_original
from core.imaging.original.saving import save
from tests.photo_files import grey_profile, noise, read_elsewhere, wide_profile

PROFILES = {"srgb": None, "wide": wide_profile()}


def soft_mask(height, width):
    """1 in the middle, 0 at the border, all between."""
    rows, columns = np.mgrid[0:height, 0:width]
    distance = np.hypot((rows / height - 0.5) * 2, (columns / width - 0.5) * 2)
    return (1.4 - 1.8 * distance).clip(0, 1).astype(np.float32)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_pixels_outside_the_mask_are_the_same_bytes_for_another_reader(kind, dtype, channels, profile):
    """The promise of the whole service, from the file to the file, at both depths, with alpha and a wide space."""
    pixels = noise(channels, dtype, 90, 120)
    sent = save(Original(pixels, kind, PROFILES[profile]), generated=False).data
    assert np.array_equal(read_elsewhere(sent), pixels)
    original = read_original(sent)
    mask = np.zeros((90, 120), np.float32)
    mask[20:60, 30:80] = soft_mask(40, 50)
    result = save(put_back(original, 255 - original.working, mask)).data
    outside = read_elsewhere(result)[mask == 0]
    assert outside.dtype == dtype
    assert np.array_equal(outside, pixels[mask == 0])
    assert not np.array_equal(read_elsewhere(result)[mask > 0], pixels[mask > 0])
    with Image.open(io.BytesIO(result)) as picture:
        assert picture.info.get("icc_profile") == PROFILES[profile]


@pytest.mark.parametrize("profile", [*PROFILES.values(), grey_profile()], ids=["srgb", "wide", "grey"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_an_edit_that_changes_nothing_changes_nothing(dtype, profile):
    for channels in (1, 2) if profile == grey_profile() else (3, 4):
        original = Original(noise(channels, dtype), "png", profile)
        for edited in (original.working, original.working.astype(np.float32)):
            same = put_back(original, edited, np.ones(edited.shape[:2], bool))
            assert np.array_equal(same.pixels, original.pixels)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_where_the_mask_is_one_the_result_looks_like_the_edit(dtype, portrait):
    """LittleCMS judges: the result, converted to sRGB by it, is the edit."""
    edited = np.ascontiguousarray(portrait[:64, 200:264])
    dark = Original(np.zeros((64, 64, 3), dtype), "tiff", wide_profile())
    result = put_back(dark, edited, np.ones((64, 64), np.float32)).pixels
    eight = result if dtype == np.uint8 else np.round(result / 257).astype(np.uint8)
    source = ImageCms.ImageCmsProfile(io.BytesIO(wide_profile()))
    seen = ImageCms.profileToProfile(Image.fromarray(eight), source, ImageCms.createProfile("sRGB"))
    difference = np.abs(np.asarray(seen).astype(int) - edited)
    assert difference.mean() < 0.5
    assert difference.max() <= 6  # where Adobe RGB's gamma is steep, one of its 8-bit steps is several of sRGB's


def test_at_sixteen_bits_an_edit_keeps_steps_finer_than_eight_bits():
    original = Original(np.full((1, 256, 3), 30_000, np.uint16), "png")
    edited = np.broadcast_to(np.linspace(100, 102, 256, dtype=np.float32)[None, :, None], (1, 256, 3))
    result = put_back(original, edited, np.ones((1, 256), np.float32)).pixels
    assert len(np.unique(result)) > 200
    assert np.abs(result[..., 0] - np.linspace(100, 102, 256) * 257).max() < 257


def test_a_small_change_keeps_a_colour_that_srgb_cannot_hold_and_a_large_one_replaces_it():
    green = np.zeros((2, 2, 3), np.uint16)
    green[..., 1] = 65_535  # the strongest green of Adobe RGB: far outside sRGB
    original = Original(green, "png", wide_profile())
    nudged = put_back(original, original.working + np.array([1.0, 0.0, 0.0]), np.ones((2, 2), np.float32))
    assert nudged.pixels[..., 0].max() < 6_000
    replaced = put_back(original, np.full((2, 2, 3), 128, np.uint8), np.ones((2, 2), np.float32))
    assert np.ptp(replaced.pixels.astype(int), axis=2).max() <= 300  # grey, without a green shine


def test_half_a_mask_is_half_the_way_in_the_original_s_numbers():
    original = Original(np.full((4, 4, 3), 10_000, np.uint16), "png")
    whole = put_back(original, np.full((4, 4, 3), 200, np.uint8), np.ones((4, 4))).pixels.astype(float)
    half = put_back(original, np.full((4, 4, 3), 200, np.uint8), np.full((4, 4), 0.5)).pixels
    assert np.abs(half - (whole + 10_000) / 2).max() <= 1


def test_alpha_is_never_changed_and_what_cannot_be_seen_is_left_alone():
    pixels = noise(4, np.uint8)
    pixels[:10, :, 3] = 0
    result = put_back(Original(pixels, "png"), np.zeros((41, 53, 3), np.uint8), np.ones((41, 53))).pixels
    assert np.array_equal(result[..., 3], pixels[..., 3])
    assert np.array_equal(result[:10], pixels[:10])


def test_a_half_transparent_pixel_looks_like_the_edit_on_white():
    pixels = np.full((4, 4, 4), 128, np.uint8)
    original = Original(pixels, "png")
    edited = np.full((4, 4, 3), 170, np.uint8)
    seen = replace(put_back(original, edited, np.ones((4, 4))), exif=b"").working
    assert np.abs(seen.astype(int) - 170).max() <= 1


def test_a_grey_original_stays_grey_in_its_own_curve():
    original = Original(np.full((4, 4, 1), 90, np.uint8), "tiff", grey_profile())
    result = put_back(original, np.full((4, 4, 3), 150, np.uint8), np.ones((4, 4)))
    assert result.pixels.shape == (4, 4, 1)
    assert np.abs(result.working.astype(int) - 150).max() <= 1


def test_a_region_lands_where_it_belongs():
    original = Original(noise(3, np.uint16), "png")
    region = np.full((5, 7, 3), 10, np.uint8)
    result = put_back(original, region, np.ones((5, 7)), top=30, left=40).pixels
    assert (result[30:35, 40:47] < 11 * 257).all()
    result[30:35, 40:47] = original.pixels[30:35, 40:47]
    assert np.array_equal(result, original.pixels)


@pytest.mark.parametrize(("top", "left"), [(-1, 0), (0, 50), (40, 0)])
def test_a_region_that_lies_outside_is_a_fault_of_ours(top, left):
    with pytest.raises(ValueError, match="do not fit a photo of 41 × 53"):
        put_back(Original(noise(3, np.uint8), "png"), np.zeros((5, 7, 3), np.uint8), np.ones((5, 7)), top, left)

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from core.imaging.original.profile import simple_profile, srgb_profile_bytes
from core.imaging.original.space import from_srgb, in_usable_space, to_srgb
from tests.photo_files import curve_tag, grey_profile, noise, profile_of, wide_profile, xyz_tag


def by_littlecms(pixels, source, target, mode):
    profiles = [ImageCms.ImageCmsProfile(io.BytesIO(profile)) for profile in (source, target)]
    # Relative colorimetric: the curves as they stand, without the black point compensation of version 4.
    exact = ImageCms.Intent.RELATIVE_COLORIMETRIC
    return np.asarray(ImageCms.profileToProfile(Image.fromarray(pixels.squeeze()), *profiles, exact, mode))


@pytest.mark.parametrize(("profile", "channels"), [(wide_profile(), 3), (grey_profile(), 1), (srgb_profile_bytes(), 3)])
def test_our_arithmetic_at_sixteen_bits_agrees_with_littlecms_at_eight(profile, channels):
    pixels = noise(channels, np.uint8, 100, 100)
    ours = to_srgb(pixels.astype(np.uint16) * 257, profile)
    theirs = by_littlecms(pixels, profile, srgb_profile_bytes(), "RGB")
    assert np.abs(ours.astype(int) - theirs).max() <= 1


@pytest.mark.parametrize(("profile", "channels"), [(wide_profile(), 3), (grey_profile(), 1)])
def test_the_way_back_agrees_with_littlecms(profile, channels):
    pixels = noise(3, np.uint8, 100, 100)
    ours = from_srgb(pixels.astype(np.float64), profile, channels).squeeze() * 255
    theirs = by_littlecms(pixels, srgb_profile_bytes(), profile, "RGB" if channels == 3 else "L")
    assert np.abs(ours - theirs).mean() < 0.5
    assert np.abs(ours - theirs).max() <= 2.5


def test_there_and_back_is_the_same_number():
    levels = noise(3, np.uint8, 50, 50).astype(np.float64)
    wide = np.round(from_srgb(levels, wide_profile(), 3) * 65_535).astype(np.uint16)
    assert np.array_equal(to_srgb(wide, wide_profile()), levels)


def test_grey_without_a_profile_has_srgb_s_curve():
    levels = np.repeat(np.arange(256.0).reshape(16, 16, 1), 3, axis=2)
    assert np.allclose(from_srgb(levels, None, 1)[..., 0] * 255, levels[..., 0], atol=0.01)


def test_sixteen_bits_are_rounded_to_the_nearest_eight():
    every = np.arange(65_536, dtype=np.uint16).reshape(256, 256, 1)
    assert np.array_equal(to_srgb(every, None)[..., 0], np.round(every[..., 0] / 257).astype(np.uint8))


def table_profile(*names):
    """Lookup tables instead of a matrix, as scanners' profiles have them."""
    table = b"mft1" + bytes(4) + bytes([3, 3, 2, 0])
    table += b"".join(round(value * 65_536).to_bytes(4, "big") for value in (1, 0, 0, 0, 1, 0, 0, 0, 1))
    table += bytes(range(256)) * 3  # input curves
    table += bytes(255 * bit for n in range(8) for bit in (n >> 2 & 1, n >> 1 & 1, n & 1))
    table += bytes(range(256)) * 3  # output curves
    return profile_of(b"RGB ", dict.fromkeys(names, table))


def test_a_profile_of_lookup_tables_is_left_to_littlecms():
    profile = table_profile(b"A2B0", b"B2A0")
    assert simple_profile(profile) is None
    pixels = noise(3, np.uint8, 20, 20)
    assert in_usable_space(pixels, profile)[1] == profile
    theirs = by_littlecms(pixels, profile, srgb_profile_bytes(), "RGB")
    assert np.array_equal(to_srgb(pixels, profile), theirs)
    assert np.array_equal(to_srgb(pixels.astype(np.uint16) * 257, profile), theirs)
    back = from_srgb(pixels.astype(np.float64), profile, 3)
    assert np.array_equal(np.round(back * 255), by_littlecms(pixels, srgb_profile_bytes(), profile, "RGB"))


def test_a_space_without_a_way_back_is_left_for_srgb():
    profile = table_profile(b"A2B0")
    pixels = noise(4, np.uint16, 20, 20)
    usable, left = in_usable_space(pixels, profile)
    assert left is None
    assert np.array_equal(usable[..., :3], to_srgb(pixels[..., :3], profile))
    assert np.array_equal(usable[..., 3], np.round(pixels[..., 3] / 257))


@pytest.mark.parametrize(
    "profile", [b"", b"rubbish", grey_profile(), wide_profile()[:12] + b"nmcl" + wide_profile()[16:]]
)
def test_a_profile_that_says_nothing_about_these_pixels_is_left_out(profile):
    pixels = noise(3, np.uint16)
    usable, left = in_usable_space(pixels, profile)
    assert left is None
    assert usable is pixels


@pytest.mark.parametrize("kind", range(5))
def test_every_parametric_curve_is_littlecms_s(kind):
    numbers = [(2.2,), (2.2, 0.9, 0.1), (2.2, 0.8, 0.1, 0.05), (2.4, 0.948, 0.052, 0.0774, 0.0405)]
    numbers.append((2.4, 0.9, 0.05, 0.0774, 0.0405, 0.02, 0.001))
    body = b"para" + bytes(4) + kind.to_bytes(2, "big") + bytes(2)
    body += b"".join(round(number * 65_536).to_bytes(4, "big") for number in numbers[kind])
    tags = {b"rXYZ": xyz_tag(0.436, 0.222, 0.014), b"gXYZ": xyz_tag(0.385, 0.717, 0.097)}
    tags |= {b"bXYZ": xyz_tag(0.143, 0.061, 0.714)} | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), body)
    profile = profile_of(b"RGB ", tags)
    pixels = noise(3, np.uint8, 60, 60)
    ours = to_srgb(pixels.astype(np.uint16) * 257, profile)
    assert np.abs(ours.astype(int) - by_littlecms(pixels, profile, srgb_profile_bytes(), "RGB")).max() <= 1


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {b"kTRC": b"curv"},
        {b"kTRC": b"para" + bytes(4) + b"\0\xff" + bytes(40)},
        {b"kTRC": b"curv" + bytes(4) + b"\xff" * 8},
    ],
    ids=["no curve", "cut", "no such kind", "endless"],
)
def test_a_broken_profile_is_none(tags):
    assert simple_profile(profile_of(b"GRAY", tags)) is None


def test_a_flat_curve_is_no_curve():
    flat = b"curv" + bytes(4) + (2).to_bytes(4, "big") + b"\x80\0\x80\0"
    assert simple_profile(profile_of(b"GRAY", {b"kTRC": flat})) is None
    assert simple_profile(profile_of(b"GRAY", {b"kTRC": curve_tag(1.0)})) is not None

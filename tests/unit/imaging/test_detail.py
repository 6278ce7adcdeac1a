import cv2
import numpy as np
import pytest

from core.imaging.degrade import degrade
from core.imaging.detail import grid_level, merge_detail, noise_level
from core.imaging.resize import resize


def high_band(image, resolution):
    return image.astype(float) - resize(resize(image, resolution), image.shape[0]).astype(float)


def decibels(image, truth):
    return -10 * np.log10(np.mean((image.astype(float) - truth) ** 2) / 255**2)


@pytest.fixture(scope="module")
def face(portrait):
    return np.ascontiguousarray(portrait[10:266, 90:346])


def test_a_clean_photo_s_own_detail_comes_back(face):
    restored = resize(face, 128)
    merged = merge_detail(restored, face)
    assert decibels(merged, face) > decibels(resize(restored, 256), face) + 2


def test_pure_noise_does_not(face):
    restored = resize(face, 128)
    noise = np.random.default_rng(0).normal(0, 25, face.shape)
    smooth = cv2.GaussianBlur(face, (0, 0), 3)
    noisy = (smooth + noise).clip(0, 255).astype(np.uint8)
    merged = merge_detail(resize(smooth, 128), noisy)
    added = merged.astype(float) - resize(resize(smooth, 128), 256)
    assert added.var() < high_band(noisy, 128).var() / 10
    assert restored.shape == (128, 128, 3)


def test_the_blocks_of_a_coarse_jpeg_do_not(face):
    rng = np.random.default_rng(1)
    coarse = degrade(face, "jpeg", rng)
    merged = merge_detail(resize(face, 128), coarse)
    added = merged.astype(float) - resize(resize(face, 128), 256)
    assert added.var() < high_band(coarse, 128).var() / 2


def noise_that_passed(restored, photo, clean, grid=0.0):
    """Which part of the photo's noise above the prior's resolution stands in the merged face."""
    plain = resize(restored, clean.shape[0]).astype(float)
    noise = high_band(photo, 128).mean(axis=2) - high_band(clean, 128).mean(axis=2)
    added = (merge_detail(restored, photo, grid) - plain).mean(axis=2)
    return float((added * noise).sum() / (noise * noise).sum())


@pytest.mark.parametrize("sigma_pixels", [1.0, 2.0])
def test_grain_that_is_coarser_than_a_pixel_does_not(face, sigma_pixels):
    grain = cv2.GaussianBlur(np.random.default_rng(2).normal(0, 1, face.shape[:2]), (0, 0), sigma_pixels)
    grainy = (face + 20 * (grain / grain.std())[..., None]).clip(0, 255).astype(np.uint8)
    assert noise_that_passed(resize(face, 128), grainy, face) < 0.1


def test_noise_that_was_enlarged_with_the_photo_does_not(face):
    small = cv2.resize(face, (160, 160), interpolation=cv2.INTER_AREA)
    noisy = (small + np.random.default_rng(3).normal(0, 20, small.shape)).clip(0, 255).astype(np.uint8)
    large, clean = (cv2.resize(one, (256, 256), interpolation=cv2.INTER_CUBIC) for one in (noisy, small))
    assert noise_that_passed(resize(clean, 128), large, clean) < 0.1


def test_the_blocks_of_a_jpeg_that_was_turned_afterwards_are_known_from_before(face):
    def turned(image):
        turn = cv2.getRotationMatrix2D((128, 128), 5, 1)
        return cv2.warpAffine(image, turn, (256, 256), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)

    coarse = cv2.imdecode(cv2.imencode(".jpg", face, [cv2.IMWRITE_JPEG_QUALITY, 10])[1], cv2.IMREAD_COLOR)
    restored, photo, clean = resize(turned(face), 128), turned(coarse), turned(face)
    told = noise_that_passed(restored, photo, clean, grid_level(coarse))
    assert told < 0.5 * noise_that_passed(restored, photo, clean)
    assert grid_level(face) < 0.5 < grid_level(coarse)


def test_a_part_too_small_for_a_grid_has_none(face):
    assert grid_level(face[:20, :20]) == 0.0


def test_where_the_face_was_redrawn_the_photo_s_detail_stays_out(face):
    redrawn = resize(face, 128).copy()
    redrawn[40:80, 40:80] = 255 - redrawn[40:80, 40:80]
    untouched, changed = merge_detail(resize(face, 128), face), merge_detail(redrawn, face)
    plain_untouched, plain_changed = resize(resize(face, 128), 256), resize(redrawn, 256)
    inside = (slice(90, 150), slice(90, 150))
    kept = np.abs(changed[inside].astype(float) - plain_changed[inside]).mean()
    assert kept < 0.5 * np.abs(untouched[inside].astype(float) - plain_untouched[inside]).mean()


def test_a_crop_smaller_than_the_prior_gets_the_restored_face_at_its_size(face):
    restored, crop = resize(face, 128), resize(face, 80)
    assert np.array_equal(merge_detail(restored, crop), resize(restored, 80))


@pytest.mark.parametrize("sigma", [5.0, 15.0, 30.0])
def test_the_noise_level_is_measured(sigma):
    plane = np.random.default_rng(0).normal(128, sigma, (256, 256)).astype(np.float32)
    assert noise_level(plane) == pytest.approx(sigma, rel=0.1)

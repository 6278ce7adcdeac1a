import cv2
import numpy as np
import pytest

from core.imaging.degrade import degrade
from core.imaging.detail import merge_detail, noise_level
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

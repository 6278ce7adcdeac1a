import tracemalloc
from dataclasses import replace

import cv2
import numpy as np
import pytest

from core.imaging.align import Alignment, alignment_of_box
from core.imaging.composite import Patch, compose, layers_of, make_layer, outline_of, place
from core.imaging.faces import DlibFaceFinder
from tests.unit.imaging.composite.conftest import patch_of


def _mask(photo, patches):
    plane = np.zeros(photo.shape[:2], np.float32)
    for layer in layers_of(photo, patches):
        target = layer.window.cut(plane)
        target[...] = np.maximum(target, layer.mask)
    return plane


def _redrawn(crop):
    return 255 - crop


def _smoothed(crop):
    return cv2.bilateralFilter(crop, 9, 40, 5)


def _sixteen(photo):
    """The photo with sixteen true bits."""
    low = np.random.default_rng(0).integers(0, 257, photo.shape)
    return (photo.astype(np.uint32) * 256 + low).clip(0, 65_535).astype(np.uint16)


@pytest.mark.parametrize("colour", ["preserve", "free"])
def test_an_unrestored_face_goes_back_as_it_came(portrait, patch, colour):
    result = compose(portrait, [replace(patch, colour=colour)])
    assert np.abs(result.astype(int) - portrait).max() <= 1


def test_an_unrestored_face_goes_back_into_sixteen_bits(portrait, face):
    photo = _sixteen(portrait)
    result = compose(photo, [patch_of(photo, face)])
    assert result.dtype == np.uint16
    assert np.abs(result.astype(int) - photo).max() < 65_535 / 255


@pytest.mark.parametrize("bits", [8, 16])
def test_pixels_outside_the_mask_are_the_same_bytes(portrait, face, bits):
    photo = portrait if bits == 8 else _sixteen(portrait)
    patches = [patch_of(photo, face, _redrawn)]
    result, mask = compose(photo, patches), _mask(photo, patches)
    assert np.array_equal(result[mask == 0], photo[mask == 0])
    assert (result[mask == 1] != photo[mask == 1]).any(axis=-1).mean() > 0.9


def test_the_photo_itself_is_not_changed(portrait, face):
    before = portrait.copy()
    compose(portrait, [patch_of(portrait, face, _redrawn)])
    assert np.array_equal(before, portrait)


def test_a_restoration_that_is_brighter_all_over_comes_back_to_the_photo_s_level(portrait, face):
    darker = (portrait * 0.7).round().astype(np.uint8)
    patches = [patch_of(darker, face, lambda crop: (crop.astype(int) + 20).clip(0, 255).astype(np.uint8))]
    inside = _mask(darker, patches) == 1
    difference = cv2.GaussianBlur(compose(darker, patches).astype(np.float32) - darker, (0, 0), 4)[inside]
    assert np.abs(difference).max() < 4
    assert np.abs(difference).mean() < 1


def test_sixteen_bits_and_eight_bits_agree(portrait, face):
    eight = compose(portrait, [patch_of(portrait, face, _smoothed)])
    photo = portrait.astype(np.uint16) * 257
    sixteen = compose(photo, [patch_of(photo, face, _smoothed)])
    assert np.abs(sixteen / 257.0 - eight).max() < 1.5


def test_there_is_no_seam(portrait, face):
    patches = [patch_of(portrait, face, lambda crop: (_smoothed(crop) * 0.8 + 30).astype(np.uint8))]
    result, mask = compose(portrait, patches), _mask(portrait, patches)
    feather = (mask > 0.02) & (mask < 0.98)
    grey, old = (cv2.cvtColor(p, cv2.COLOR_RGB2GRAY).astype(float) for p in (result, portrait))
    # Across the feather the result's steps are no larger than the photo's own were.
    steps = [
        np.hypot(cv2.Sobel(p, cv2.CV_64F, 1, 0), cv2.Sobel(p, cv2.CV_64F, 0, 1))[feather].mean() for p in (grey, old)
    ]
    assert steps[0] < 1.1 * steps[1]


def test_a_grey_photo_stays_grey_to_the_byte(portrait, face):
    grey = np.repeat(cv2.cvtColor(portrait, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=-1)
    noisy = (grey + np.random.default_rng(0).normal(0, 8, (512, 512, 1))).round().clip(0, 255).astype(np.uint8)
    pink = lambda crop: (_smoothed(crop) * [1.1, 0.9, 0.8] + [20, 0, 0]).clip(0, 255).astype(np.uint8)  # noqa: E731  # used once, here
    result = compose(noisy, [patch_of(noisy, face, pink)])
    assert np.ptp(result, axis=-1).max() == 0
    assert not np.array_equal(result, noisy)


def test_free_colours_are_the_restoration_s_within_and_the_photo_s_at_the_edge(portrait, face):
    grey = np.repeat(cv2.cvtColor(portrait, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=-1)
    tinted = lambda crop: (crop * [1.0, 0.8, 0.6]).astype(np.uint8)  # noqa: E731  # used once, here
    patches = [patch_of(grey, face, tinted, colour="free")]
    result, mask = compose(grey, patches), _mask(grey, patches)
    spread = np.ptp(result, axis=-1)
    nose = face.landmarks[30].astype(int)
    assert spread[nose[1] - 4 : nose[1] + 4, nose[0] - 4 : nose[0] + 4].mean() > 40
    assert spread[(mask > 0) & (mask < 0.1)].mean() < 5


def test_grain_is_added_to_a_face_that_was_smoothed(portrait, face):
    noise = np.random.default_rng(0).normal(0, 10, (512, 512, 1))
    noisy = (portrait * 0.8 + 20 + noise).round().clip(0, 255).astype(np.uint8)
    clean = (portrait * 0.8 + 20).astype(np.uint8)
    patches = [patch_of(noisy, face, lambda _: patch_of(clean, face).restored)]
    result, mask = compose(noisy, patches), _mask(noisy, patches)
    assert (result.astype(float) - clean)[mask == 1].std() == pytest.approx(10, rel=0.25)


def test_where_two_faces_overlap_each_pixel_is_one_s(portrait, face):
    left = patch_of(portrait, face, lambda crop: np.full_like(crop, 255), colour="free")
    shifted = face.scaled(1.0, (40.0, 10.0))
    right = patch_of(portrait, shifted, lambda crop: np.full_like(crop, 255), colour="free")
    masks = []
    for layer in layers_of(portrait, [left, right]):
        plane = np.zeros((512, 512), bool)
        layer.window.cut(plane)[...] = layer.mask > 0
        masks.append(plane)
    assert not (masks[0] & masks[1]).any()
    assert masks[0].any()
    assert masks[1].any()


def test_the_other_faces_do_not_change_when_one_is_taken_out(portrait, face):
    both = np.concatenate([portrait, portrait], axis=1)
    one = patch_of(both, face, _smoothed, seed=1)
    other = patch_of(both, face.scaled(1.0, (512.0, 0.0)), _smoothed, seed=2)
    assert np.array_equal(compose(both, [one, other])[:, :512], compose(both, [one])[:, :512])
    assert np.array_equal(compose(both, [one, other]), compose(both, [other, one]))


def test_a_prior_of_few_pixels_leaves_the_photo_s_fine_detail(portrait, face):
    patch = patch_of(portrait, face, size=64)
    assert patch.beyond_prior > 2
    layer = make_layer(portrait, [patch], 0)
    inside = layer.mask == 1
    alone = place(patch.restored, patch.alignment, layer.window)
    truth, result = layer.window.cut(portrait).astype(np.float32), layer.result.astype(np.float32)
    # How much of what the prior's few pixels cannot hold is in the result.
    missing, recovered = ((picture - alone)[..., 1][inside] for picture in (truth, result))
    assert (missing * recovered).sum() / (missing**2).sum() > 0.5


def test_a_small_face_is_not_enlarged(portrait):
    small = cv2.resize(portrait, None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA)
    (face,) = DlibFaceFinder().find(small)
    patches = [patch_of(small, face, size=256)]
    assert patches[0].beyond_prior < 1
    result = compose(small, patches)
    assert result.shape == small.shape
    assert np.abs(result.astype(int) - small).mean() < 0.5


def test_a_layer_holds_crop_mask_and_result(portrait, patch):
    layer = make_layer(portrait, [patch], 0)
    side = patch.crop_pixels
    assert layer.crop.shape == (side, side, 3)
    assert layer.mask.shape == layer.result.shape[:2] == layer.window.cut(portrait).shape[:2]
    assert layer.mask.min() == 0
    assert layer.mask.max() == 1
    assert layer.result.dtype == portrait.dtype


def test_a_face_partly_outside_the_photo_goes_back(portrait, face):
    cut = np.ascontiguousarray(portrait[:, 215:])
    moved = face.scaled(1.0, (-215.0, 0.0))
    result = compose(cut, [patch_of(cut, moved)])
    assert np.abs(result.astype(int) - cut).max() <= 1
    assert (compose(cut, [patch_of(cut, moved, _redrawn)])[50:160, 0] != cut[50:160, 0]).any()


def test_a_face_outside_the_photo_is_no_layer(portrait):
    alignment = Alignment(alignment_of_box((600, 600, 700, 700)).quad)
    patch = Patch(alignment, np.zeros((64, 64, 3), np.uint8), outline_of(alignment), 0)
    assert make_layer(portrait, [patch], 0) is None
    assert np.array_equal(compose(portrait, [patch]), portrait)


def test_a_photo_of_floats_is_refused(portrait, patch):
    with pytest.raises(TypeError, match="8 or 16 bits"):
        compose(portrait.astype(np.float32), [patch])


def test_memory_grows_with_one_face_and_not_with_their_number(portrait, face):
    row = np.concatenate([portrait] * 8, axis=1)
    patches = [patch_of(row, face.scaled(1.0, (512.0 * i, 0.0)), _smoothed) for i in range(8)]

    def peak(some):
        tracemalloc.start()
        compose(row, some)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    one, eight = peak(patches[:1]), peak(patches)
    assert eight < 1.1 * one
    assert one < row.nbytes + 90 * patches[0].crop_pixels ** 2 * 4

from dataclasses import replace

import numpy as np
import pytest

from core.imaging.align import Alignment
from core.imaging.composite import Patch, outline_of
from core.imaging.composite.mask import FEATHER, GROWN, depth_in, ring_of, weights, window_of
from core.imaging.composite.window import Window


def _patch(x, y, side, **options):
    quad = np.array([[x, y], [x, y + side], [x + side, y + side], [x + side, y]], dtype=np.float64)
    alignment = Alignment(quad)
    return Patch(alignment, np.zeros((32, 32, 3), np.uint8), outline_of(alignment), **{"seed": 0, **options})


def _painted(patches, height, width):
    planes = []
    for index, patch in enumerate(patches):
        window = window_of(patch, height, width)
        plane = np.zeros((height, width), np.float32)
        window.cut(plane)[...] = weights(patches, index, window)
        planes.append(plane)
    return np.stack(planes)


def test_the_mask_is_whole_in_the_outline_and_nothing_beyond_its_margin():
    patch = _patch(100, 100, 200)
    (mask,) = _painted([patch], 400, 400)
    depth = depth_in(patch, Window(0, 0, 400, 400)) * 200
    assert (mask[depth > 0] > 0.999).all()
    assert not mask[depth < -GROWN * 200].any()
    assert mask[:280][(depth < -1)[:280] & (depth > -GROWN * 200 + 1)[:280]].min() > 0


def test_the_mask_ends_before_the_square_does():
    patch = _patch(100, 100, 200)
    low = replace(patch, outline=patch.outline + np.array([0, 30]))
    (mask,) = _painted([low], 400, 400)
    assert not mask[300:].any()
    assert mask[298].max() < 0.1
    assert mask[286].max() == 1


def test_the_feather_has_no_step():
    mask = _painted([_patch(100, 100, 200)], 400, 400)[0][:280]  # below, the square's border
    steepest = 1.5 / (FEATHER * 200)  # smoothstep's middle
    assert np.abs(np.diff(mask, axis=0)).max() < 1.1 * steepest
    assert np.abs(np.diff(mask, axis=1)).max() < 1.1 * steepest


def test_depth_is_a_distance_in_sides():
    patch = _patch(100, 100, 200)
    centre = np.array([0.5, 0.58]) * 200 + 100
    right = patch.outline[:, 0].max()
    depth = depth_in(patch, Window(0, 0, 400, 400))
    row = int(centre[1])
    assert depth[row, int(right) + 20] == pytest.approx(-20 / 200, abs=0.006)
    assert depth[row, int(right) - 20] == pytest.approx(20 / 200, abs=0.006)


def test_depth_does_not_depend_on_the_window_nor_on_which_way_round_the_outline_runs():
    patch = _patch(100, 100, 200)
    whole, part = depth_in(patch, Window(0, 0, 400, 400)), depth_in(patch, Window(150, 90, 210, 300))
    assert np.array_equal(whole[90:300, 150:210], part)
    other_way = replace(patch, outline=patch.outline[::-1])
    assert depth_in(other_way, Window(0, 0, 400, 400)) == pytest.approx(whole, abs=1e-6)


def test_a_mask_follows_the_face_and_is_not_the_square(patch):
    mask = weights([patch], 0, window_of(patch, 512, 512))
    square = patch.alignment.side_pixels**2
    assert 0.3 < mask.sum() / square < 0.65


def test_the_landmarks_are_in_the_mask_and_the_square_s_corners_are_not(patch, face):
    (mask,) = _painted([patch], 512, 512)
    for x, y in face.landmarks:
        assert mask[int(y), int(x)] > 0.9
    for x, y in patch.alignment.quad:
        assert mask[int(y), int(x)] == 0


def test_every_pixel_has_one_owner_where_faces_overlap():
    patches = [_patch(50, 50, 160), _patch(130, 70, 120), _patch(95, 120, 200)]
    painted = _painted(patches, 400, 400)
    assert ((painted > 0).sum(axis=0) <= 1).all()
    assert all(plane.max() == 1 for plane in painted)


def test_faces_that_lie_on_each_other_go_to_the_first():
    first, second = _painted([_patch(50, 50, 160), _patch(50, 50, 160)], 300, 300)
    assert first.max() == 1
    assert not second.any()


def test_a_face_far_away_takes_nothing():
    alone = _painted([_patch(50, 50, 100)], 300, 600)[0]
    beside = _painted([_patch(50, 50, 100), _patch(400, 50, 100)], 300, 600)[0]
    assert np.array_equal(alone, beside)


def test_the_border_between_two_faces_is_smooth():
    painted = _painted([_patch(50, 50, 200), _patch(150, 50, 200)], 350, 450).sum(axis=0)
    assert np.abs(np.diff(painted, axis=1)).max() < 0.5


def test_strength_scales_the_mask():
    full, half = _painted([_patch(50, 50, 200)], 350, 350), _painted([_patch(50, 50, 200, strength=0.5)], 350, 350)
    assert half == pytest.approx(full / 2)


def test_a_face_at_the_photo_s_border_keeps_what_is_in_the_photo():
    (mask,) = _painted([_patch(-80, 40, 200)], 300, 300)
    assert mask[150, 0] == 1


def test_the_ring_lies_around_the_mask():
    patch = _patch(100, 100, 200)
    window = window_of(patch, 400, 400)
    mask = weights([patch], 0, window)
    ring = ring_of(patch, mask, window)
    assert ring.sum() > 1_000
    assert mask[ring].max() < 0.5
    assert depth_in(patch, window)[ring].min() > -0.16


def test_a_face_without_landmarks_is_an_ellipse_in_its_square():
    outline = _patch(0, 0, 100).outline
    assert outline.min(axis=0) == pytest.approx([21, 23], abs=0.1)
    assert outline.max(axis=0) == pytest.approx([79, 93], abs=0.1)

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from core.imaging.curate import AlbumCandidate, CandidateFace, candidate_of, describe
from core.imaging.curate.appearance import expression_of, light_of
from core.imaging.curate.clarity import clear_pixels
from core.imaging.curate.duplicates import alike
from core.imaging.curate.pose import pose_of
from core.imaging.curate.thresholds import DEFAULT
from core.imaging.embedding import landmarks_of_aligned
from core.imaging.faces import DlibFaceFinder
from core.imaging.intake import decode_photo, encode


@pytest.fixture(scope="module")
def candidate(portrait):
    return candidate_of("portrait", portrait, DlibFaceFinder())


@pytest.fixture(scope="module")
def crop(candidate):
    return candidate.faces[0].crop


@pytest.fixture(scope="module")
def facts(candidate):
    return describe(candidate)


@pytest.fixture
def landmarks(crop):
    return landmarks_of_aligned(crop)


def shrunk(image, factor):
    return cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)


CHANGES = {
    "re-encoded": lambda photo: decode_photo(encode(photo, "jpeg", 35)),
    "halved": lambda photo: shrunk(photo, 0.5),
    "cropped": lambda photo: np.ascontiguousarray(photo[20:300, 90:370]),
    "brighter": lambda photo: np.clip(photo * 1.25 + 10, 0, 255).astype(np.uint8),
    "darker": lambda photo: (photo * 0.6).astype(np.uint8),
    "grey": lambda photo: np.repeat(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2),
    "mirrored": lambda photo: np.ascontiguousarray(photo[:, ::-1]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_alike(portrait, facts, change):
    copy = describe(candidate_of("copy", CHANGES[change](portrait), DlibFaceFinder()))
    assert len(copy.faces) == 1
    assert alike(facts.faces[0], copy.faces[0], DEFAULT)
    assert alike(copy.faces[0], facts.faces[0], DEFAULT)


def test_thumbnails_are_small_jpegs_of_the_face_and_of_the_photo(facts):
    for thumbnail in (facts.thumbnail, facts.faces[0].thumbnail):
        picture = Image.open(io.BytesIO(thumbnail))
        assert picture.format == "JPEG"
        assert max(picture.size) == 128
        assert not picture.getexif()
    assert facts.thumbnail != facts.faces[0].thumbnail


def test_a_sharp_crop_is_clear_to_its_last_pixel(crop):
    assert clear_pixels(crop) == len(crop)


@pytest.mark.parametrize("real", [48, 64, 96])
def test_an_enlarged_crop_shows_the_detail_it_was_enlarged_from(crop, real):
    enlarged = cv2.resize(
        cv2.resize(crop, (real, real), interpolation=cv2.INTER_AREA), (512, 512), interpolation=cv2.INTER_CUBIC
    )
    assert 0.8 * real < clear_pixels(enlarged) < 1.6 * real


def test_blur_lowers_the_detail_and_noise_on_top_does_not_raise_it(crop):
    large = cv2.resize(crop, (256, 256), interpolation=cv2.INTER_CUBIC)
    blurred = cv2.GaussianBlur(large, (0, 0), 4)
    noise = np.random.default_rng(0).normal(0, 3, blurred.shape)
    noisy = np.clip(blurred + noise, 0, 255).astype(np.uint8)
    assert clear_pixels(blurred) < 0.6 * clear_pixels(large)
    assert clear_pixels(noisy) < 1.3 * clear_pixels(blurred)


def test_detail_does_not_depend_on_contrast_and_exposure(crop):
    assert clear_pixels((crop * 0.4 + 20).astype(np.uint8)) == pytest.approx(clear_pixels(crop), rel=0.05)


def test_a_flat_picture_shows_no_detail():
    assert clear_pixels(np.full((200, 200, 3), 90, np.uint8)) <= 32


def test_a_turned_head_changes_its_yaw_and_a_mirror_its_sign(landmarks):
    mirrored = (landmarks * [-1, 1])[_mirror_order()]
    one, other = pose_of(landmarks), pose_of(mirrored)
    assert one.yaw == pytest.approx(-other.yaw, abs=0.5)
    assert one.pitch == pytest.approx(other.pitch, abs=0.5)


@pytest.mark.parametrize(("yaw", "pitch"), [(0, 0), (20, 0), (-40, 0), (0, 15), (25, -10)])
def test_the_pose_of_a_rigid_head_is_recovered_at_any_size_and_lean(yaw, pitch):
    found = pose_of(_seen_from(yaw, pitch, roll=12) * 80 + 500)
    assert (found.yaw, found.pitch) == (pytest.approx(yaw, abs=3), pytest.approx(pitch, abs=3))


@pytest.mark.parametrize("yaw", [0, 20, -40])
def test_five_points_are_enough_to_tell_which_way_a_head_is_turned(yaw):
    points = _seen_from(yaw, 0, roll=12)
    eyes = np.stack([points[36:42].mean(axis=0), points[42:48].mean(axis=0)])
    assert pose_of(np.concatenate([eyes, points[[30, 48, 54]]])).yaw == pytest.approx(yaw, abs=3)


def test_the_portrait_looks_at_us_and_smiles(facts, landmarks):
    face = facts.faces[0]
    assert face.pose.view(DEFAULT) == "front"
    assert face.expression.kind(DEFAULT) == "smiling"
    assert expression_of(landmarks).eyes_open > 0.2


def test_light_from_a_side_is_seen_and_darkness_too(crop, landmarks):
    ramp = np.clip(np.linspace(-0.9, 1.9, crop.shape[1]), 0.2, 1.0)[None, :, None]
    assert light_of(crop, landmarks).kind(DEFAULT) == "even"
    assert light_of((crop * ramp).astype(np.uint8), landmarks).kind(DEFAULT) == "from_the_right"
    assert light_of((crop * ramp[:, ::-1]).astype(np.uint8), landmarks).kind(DEFAULT) == "from_the_left"
    assert light_of((crop * 0.3).astype(np.uint8), landmarks).kind(DEFAULT) == "dark"


def test_black_and_white_has_no_warmth(crop, landmarks):
    grey = np.repeat(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    assert light_of(grey, landmarks).warmth == 0
    assert light_of(crop, landmarks).warmth > 0.1


def test_a_photo_that_is_a_crop_already_is_measured_without_a_finder(crop):
    (face,) = describe(AlbumCandidate("crop", (CandidateFace(crop),))).faces
    assert face.restorable
    assert face.pose.view(DEFAULT) == "front"


def test_crops_are_cut_no_larger_than_asked(portrait):
    assert len(candidate_of("a", portrait, DlibFaceFinder(), most_pixels=64).faces[0].crop) == 64


def _seen_from(yaw, pitch, roll):
    """Landmarks of the head model turned by known angles, orthographic; the points that are not used are zero."""
    from core.imaging.curate.pose import _HEAD

    y, p, r = np.radians([yaw, pitch, roll])
    # z comes towards us, y goes down: yaw carries z to x, pitch carries z to −y.
    turn = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    nod = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    lean = np.array([[np.cos(r), -np.sin(r)], [np.sin(r), np.cos(r)]])
    points = (_HEAD @ (turn @ nod).T)[:, :2] @ lean.T
    landmarks = np.zeros((68, 2))
    landmarks[36:42], landmarks[42:48] = points[0], points[1]
    landmarks[[30, 48, 54, 8]] = points[2:]
    return landmarks


def _mirror_order():
    order = np.arange(68)
    order[36:42], order[42:48] = np.arange(42, 48), np.arange(36, 42)
    order[[48, 54]] = 54, 48
    return order

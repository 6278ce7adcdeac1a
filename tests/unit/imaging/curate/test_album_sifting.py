from dataclasses import replace

import numpy as np
import pytest

from core.domain.errors import AlbumTooSmallError, ImageUnreadableError
from core.imaging.curate import AlbumCandidate, CurationThresholds, PhotoFacts, curate, decide
from core.imaging.curate.held_out import choose_held_out
from core.imaging.curate.pose import Pose
from core.imaging.curate.thresholds import DEFAULT


def texts(report):
    return {entry.code: entry.text for entry in report.advice}


def flipped(bits, count):
    return np.concatenate([~bits[:count], bits[count:]])


def test_every_photo_has_a_verdict_with_its_reason_and_thumbnail(make, codes):
    broken = PhotoFacts("broken", code="image_unreadable", reason="The file is cut off.")
    album = [*make.album(0, 0, 0, 0, 0, 0, 0, 0, 1), PhotoFacts("empty", thumbnail=b"photo"), broken]
    report = decide(album, 128)
    assert codes(report) == [""] * 8 + ["other_person", "no_face_detected", "image_unreadable"]
    assert all(bool(photo.reason) != photo.kept for photo in report.photos)
    assert [photo.thumbnail for photo in report.photos] == [b"face"] * 8 + [b"photo", b"photo", b""]
    assert report.as_json()["photos"][10] | {"code": "image_unreadable"} == report.photos[10].as_json()


def test_a_photo_that_could_not_be_opened_says_why():
    error = ImageUnreadableError("The file is cut off.")
    report = curate([AlbumCandidate("a", problem=error)], 128)
    (photo,) = report.photos
    assert (photo.code, photo.reason, photo.thumbnail) == ("image_unreadable", "The file is cut off.", b"")


def test_small_and_blurred_photos_are_left_out_of_a_rich_album(make, codes):
    album = [
        *make.album(*[0] * 9),
        make.photo(0, side_pixels=100, clear_pixels=100.0),
        make.photo(0, clear_pixels=90.0),
    ]
    report = decide(album, 256)
    assert codes(report)[9:] == ["face_too_small", "blurred"]
    assert "100 pixels wide; 128 are needed" in report.photos[9].reason
    assert "90 pixels; 128 are needed" in report.photos[10].reason
    assert codes(decide(album, 128)) == [""] * 11, "to a smaller prior they are large and sharp"


def test_of_a_poor_album_the_sharpest_are_kept_all_the_same(make):
    album = [make.photo(0, label=str(clear), clear_pixels=float(clear)) for clear in range(70, 118, 4)]
    report = decide(album, 256)
    assert len(report.kept) == DEFAULT.comfortable_photos
    kept = {int(report.photos[place].label) for place in report.kept}
    assert min(kept) > max(int(photo.label) for photo in report.photos if not photo.kept)
    assert all("few photos" in report.photos[place].reason for place in report.kept)


def test_what_holds_no_detail_is_left_out_of_any_album(make, codes):
    album = [*make.album(0, 0, 0), make.photo(0, clear_pixels=40.0), make.photo(0, restorable=False)]
    assert codes(decide(album, 256)) == ["", "", "", "blurred", "face_too_small"]


def test_the_sharpest_of_a_moment_is_kept_and_named(make, codes):
    album = make.album(*[0] * 6)
    original = album[2].faces[0]
    bits = flipped(original.bits, 12)
    copy = replace(original, bits=bits, mirrored_bits=~bits, clear_pixels=300.0, vector=original.vector + 0.01)
    report = decide([*album, PhotoFacts("sharper", (copy,))], 128)
    assert codes(report) == ["", "", "duplicate", "", "", "", ""]
    assert report.photos[2].duplicate_of == "sharper"


def test_a_mirrored_copy_is_a_copy(make, codes):
    album = make.album(*[0] * 6)
    one = album[0].faces[0]
    mirrored = replace(one, bits=one.mirrored_bits, mirrored_bits=one.bits, vector=one.vector + 0.01)
    report = decide([*album, PhotoFacts("mirrored", (mirrored,))], 128)
    assert sorted((codes(report)[0], codes(report)[6])) == ["", "duplicate"], "equally sharp: it does not matter which"
    assert codes(report)[1:6] == [""] * 5


def test_of_equally_sharp_copies_the_same_one_is_kept_whatever_their_order(make):
    album = make.album(*[0] * 6)
    twin = replace(album[0], label="twin", faces=(replace(album[0].faces[0], vector=album[0].faces[0].vector + 0.001),))
    kept = [
        {photo.label for photo in decide(photos, 128).photos if photo.kept}
        for photos in ([*album, twin], [twin, *album[::-1]])
    ]
    assert kept[0] == kept[1]
    assert len(kept[0]) == 6


def test_insisting_on_a_copy_keeps_the_better_one_too(make):
    album = make.album(*[0] * 6)
    copy = replace(album[0], label="copy", wanted=True)
    assert all(photo.kept for photo in decide([*album, copy], 128).photos)


def test_a_face_that_cannot_be_restored_is_left_out_even_if_somebody_insists(make, codes):
    tiny = replace(make.photo(0, restorable=False), wanted=True)
    assert codes(decide([*make.album(*[0] * 6), tiny], 128))[6] == "face_too_small"


@pytest.mark.parametrize(("bits", "apart"), [(24, 0.0), (16, 0.4)])
def test_alike_hashes_or_alike_faces_alone_are_no_duplicate(make, codes, bits, apart):
    album = make.album(*[0] * 6)
    one = album[0].faces[0]
    hashed = flipped(one.bits, bits)
    other = replace(one, bits=hashed, mirrored_bits=~hashed, vector=one.vector + apart / np.sqrt(128))
    assert codes(decide([*album, PhotoFacts("other", (other,))], 128)) == [""] * 7


def test_a_photo_that_a_person_insists_on_is_kept(make):
    stranger = replace(make.photo(1), wanted=True)
    blurred = replace(make.photo(0, clear_pixels=20.0), wanted=True)
    report = decide([*make.album(*[0] * 9), stranger, blurred], 256)
    assert report.photos[9].kept
    assert report.photos[10].kept
    assert "asked for it" in report.photos[10].reason


def test_an_album_of_too_few_photos_says_what_became_of_each(make):
    report = decide([*make.album(0, 0), PhotoFacts("empty")], 128)
    with pytest.raises(AlbumTooSmallError, match=r"Only 2 of the album's 3 photos.*No face was found") as caught:
        report.require_usable()
    assert [photo.kept for photo in caught.value.report.photos] == [True, True, False]


def test_an_empty_album_is_too_small():
    with pytest.raises(AlbumTooSmallError, match="Only 0 of the album's 0 photos"):
        decide([], 128).require_usable()


def test_an_album_of_a_cat_is_sifted_but_nobody_is_recognised(make, codes):
    album = [*make.album(*range(9)), make.photo(3, clear_pixels=50.0)]
    report = decide(album, 256, person=False)
    assert codes(report) == [""] * 9 + ["blurred"]
    assert {photo.sureness for photo in report.photos} == {None}


def test_advice_counts_what_is_missing_and_what_was_left_out(make):
    front = Pose(0.0, 0.0, 0.0)
    album = [make.photo(0, pose=front) for _ in range(11)] + make.album(1, 2)
    advice = texts(decide(album, 128))
    assert advice["more_photos"] == "Nine more photos would help."
    assert "look to the side" in advice["add_side_views"]
    assert "profiles" in advice["add_profiles"]
    assert "other light" in advice["other_light"]
    assert advice["other_people"].startswith("Two photos do not show the person")


def test_a_varied_album_needs_no_advice(make):
    yaws = np.linspace(-42, 42, 24)
    album = [make.photo(0, pose=Pose(float(yaw), 0.0, 0.0)) for yaw in yaws]
    for place in range(0, 24, 3):
        face = album[place].faces[0]
        varied = replace(
            face, light=replace(face.light, level=50.0), expression=replace(face.expression, mouth_width=1.1)
        )
        album[place] = replace(album[place], faces=(varied,))
    assert decide(album, 128).advice == ()


def test_a_side_that_no_photo_looks_to_is_named(make):
    album = [make.photo(0, pose=Pose(yaw, 0.0, 0.0)) for yaw in (0.0, 20.0, 25.0, 40.0)]
    assert "to the left of the picture" in texts(decide(album, 128))["add_side_views"]


@pytest.mark.parametrize(("count", "held_out"), [(3, 0), (6, 0), (7, 1), (20, 3), (53, 7), (100, 8)])
def test_at_most_eight_or_fifteen_in_a_hundred_are_held_out(make, count, held_out):
    report = decide(make.album(*[0] * count), 128)
    assert len(report.held_out) == held_out
    assert sorted(report.held_out + report.anchors) == list(report.kept)


def test_held_out_photos_spread_over_pose_and_sharpness(make):
    yaws, clear = np.linspace(-45, 45, 40), np.linspace(130, 300, 40)
    order = np.random.default_rng(0).permutation(40)
    faces = [
        make.face(pose=Pose(float(yaw), 0.0, 0.0), clear_pixels=float(clear[place]))
        for yaw, place in zip(yaws, order, strict=True)
    ]
    chosen = choose_held_out(faces, DEFAULT)
    assert len(chosen) == 6
    looks = [faces[place].pose.yaw for place in chosen]
    assert max(np.diff(sorted([-45.0, *looks, 45.0]))) < 30
    sharp = [faces[place].clear_pixels for place in chosen]
    assert max(sharp) - min(sharp) > 40


def test_held_out_photos_are_the_same_whatever_the_order(make):
    faces = [make.face() for _ in range(30)]
    backwards = choose_held_out(faces[::-1], CurationThresholds())
    assert choose_held_out(faces, CurationThresholds()) == tuple(sorted(29 - place for place in backwards))

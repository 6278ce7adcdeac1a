from collections import Counter

import numpy as np
import pytest

from benchmarks.photos import degraded_face, held_out_faces, real_degraded, rotations, subject
from core.imaging.intake import decode_photo
from core.pipeline.request import Photo

ALBUM = tuple(Photo(f"{number}", bytes([number])) for number in range(36))


def test_six_of_nine_in_three_turns_hold_each_photo_out_once():
    turns = rotations(ALBUM[:9], 6, 3)
    assert Counter(photo for _, held_out in turns for photo in held_out) == dict.fromkeys(ALBUM[:9], 1)


@pytest.mark.parametrize(("photos", "tuned_on", "turns"), [(9, 6, 3), (36, 20, 1), (29, 20, 1), (10, 7, 4)])
def test_no_photo_is_both_tuned_on_and_measured_against(photos, tuned_on, turns):
    for anchors, held_out in rotations(ALBUM[:photos], tuned_on, turns):
        assert not set(anchors) & set(held_out)
        assert (len(anchors), len(held_out)) == (tuned_on, photos - tuned_on)


def test_what_is_held_out_is_spread_over_the_album():
    (_, held_out), *_ = rotations(ALBUM, 20, 1)
    places = [ALBUM.index(photo) for photo in held_out]
    assert max(np.diff(places)) <= 3


def test_only_the_sources_without_repeated_people_are_held_out(photos_beside):
    faces = held_out_faces(photos_beside, 3, 128)
    assert faces.shape == (3, 128, 128, 3)
    with pytest.raises(Exception, match="3 of which can be held out"):
        held_out_faces(photos_beside, 4, 128)


def test_a_face_is_degraded_the_same_way_each_time_and_otherwise_for_each_kind_and_number(face):
    again = [degraded_face(face, "mix", 3).data for _ in range(2)]
    assert again[0] == again[1]
    assert len({degraded_face(face, kind, number).data for kind in ("mix", "noise") for number in (3, 4)}) == 4


@pytest.mark.parametrize("name", ["federer", "iu"])
def test_truths_of_photos_degraded_here_are_not_in_the_album(photos_beside, name):
    person = subject(photos_beside, name)
    assert set(person.truths) == {photo.label for photo in person.degraded}
    clean = [decode_photo(photo.data) for photo in person.album]
    assert not any(np.array_equal(truth, one) for truth in person.truths.values() for one in clean)


def test_the_real_ones_are_found_and_taken_as_aligned(photos_beside):
    photos = real_degraded(photos_beside)
    assert [photo.label for photo in photos] == ["diffbir_hermione", "gfpgan_one"]
    assert all(photo.aligned for photo in photos)

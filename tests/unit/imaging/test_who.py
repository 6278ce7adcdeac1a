import numpy as np
import pytest

from core.imaging.who import (
    LEAST_MARGIN,
    LIMIT_DISTANCE,
    distance_to,
    identity_to_references,
    typical_distance,
    who_is_it,
)


def at(distance, axis=0):
    vector = np.zeros(128)
    vector[axis] = distance
    return vector


def album(typical):
    """Photos that lie so far from their centre, which is 0."""
    return np.concatenate([np.eye(128)[:8], -np.eye(128)[:8]]) * typical


HERE = album(0.4)
"""As far apart as photos of one person ever are: only `LIMIT_DISTANCE` is a limit."""


def test_the_nearest_person_is_named_and_applied_only_with_a_margin():
    others = {"alice": HERE, "bob": HERE + at(0.8)}
    key, sureness, margin = who_is_it(at(0.1), others)
    assert (key, sureness) == ("alice", 1.0)
    assert margin == pytest.approx(LIMIT_DISTANCE - 0.1)
    between = who_is_it(at(0.39), others)
    assert between.key == "alice"
    assert between.margin == pytest.approx(0.02)
    assert not between.applies


@pytest.mark.parametrize(
    ("distance", "applies"), [(LIMIT_DISTANCE - LEAST_MARGIN - 0.001, True), (0.55, False), (0.9, False)]
)
def test_a_face_that_is_like_nobody_is_nobody(distance, applies):
    guess = who_is_it(at(distance), {"alice": HERE})
    assert guess.applies is applies
    assert guess.margin == pytest.approx(LIMIT_DISTANCE - distance)
    assert guess.sureness == (0.0 if distance > LIMIT_DISTANCE else pytest.approx(guess.margin / 0.16))


def test_near_enough_is_what_the_album_s_own_photos_call_near():
    """Strangers from East Asia lie 0.42 from the centre of one album, at which another person's own photos lie."""
    face = at(0.42, axis=9)
    assert not who_is_it(face, {"narrow": album(0.25)}).applies
    assert who_is_it(face, {"wide": album(0.34)}).applies
    assert who_is_it(at(0.25, axis=9), {"narrow": album(0.25)}) == ("narrow", 1.0, pytest.approx(0.175))


@pytest.mark.parametrize("photos", [1, 2, 5])
def test_photos_of_one_afternoon_or_one_photo_do_not_make_the_person_a_stranger(photos):
    same = np.zeros((photos, 128))
    assert typical_distance(same) == 0.24
    assert who_is_it(at(0.3), {"alice": same}).applies
    assert not who_is_it(at(0.4), {"alice": same}).applies


def test_few_photos_draw_a_narrower_line_than_many():
    rng = np.random.default_rng(0)
    photos = rng.normal(scale=0.35 / np.sqrt(128), size=(16, 128))
    assert typical_distance(photos[:3]) < typical_distance(photos) < 0.36


def test_where_nobody_is_known_nobody_can_be_asked_for():
    with pytest.raises(ValueError, match="nobody"):
        who_is_it(at(0), {})


def test_identity_is_the_mean_over_the_references_and_distance_is_from_their_centre():
    references = np.stack([at(0.2), at(-0.2)])
    assert identity_to_references(at(0), references) == pytest.approx(0.8)
    assert distance_to(at(0), references) == pytest.approx(0.0)

import numpy as np
import pytest

from core.imaging.who import LEAST_MARGIN, LIMIT_DISTANCE, distance_to, identity_to_references, who_is_it


def at(distance, axis=0):
    vector = np.zeros(128)
    vector[axis] = distance
    return vector


HERE = np.zeros((4, 128))


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
    assert guess.sureness == (0.0 if distance > LIMIT_DISTANCE else pytest.approx(guess.margin / 0.2))


def test_where_nobody_is_known_nobody_can_be_asked_for():
    with pytest.raises(ValueError, match="nobody"):
        who_is_it(at(0), {})


def test_identity_is_the_mean_over_the_references_and_distance_is_from_their_centre():
    references = np.stack([at(0.2), at(-0.2)])
    assert identity_to_references(at(0), references) == pytest.approx(0.8)
    assert distance_to(at(0), references) == pytest.approx(0.0)

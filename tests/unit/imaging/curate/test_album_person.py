import numpy as np
import pytest

from core.domain.errors import AlbumMixedIdentityError
from core.imaging.curate import PhotoFacts, decide
from core.imaging.curate.majority import majority_of
from core.imaging.curate.person import densest_person
from core.imaging.curate.thresholds import DEFAULT


def vectors(album):
    return [np.array([face.vector for face in photo.faces]).reshape(-1, 128) for photo in album]


def person_of(album):
    return densest_person(vectors(album), range(len(album)), DEFAULT)


def majority(album):
    return majority_of(vectors(album), range(len(album)), DEFAULT)


@pytest.mark.parametrize("others", [1, 3, 7])
def test_a_minority_of_others_is_left_out_wherever_it_stands(make, codes, others):
    people = [0] * 12 + list(range(1, others + 1))
    order = np.random.default_rng(others).permutation(len(people))
    report = decide(make.album(*(people[place] for place in order)), 128)
    assert codes(report) == ["" if people[place] == 0 else "other_person" for place in order]


def test_a_minority_that_is_one_other_person_is_left_out(make, codes):
    report = decide(make.album(*[0] * 9, *[1] * 5), 128)
    assert codes(report) == [""] * 9 + ["other_person"] * 5
    assert 0 < report.sureness < 0.5


def test_two_people_in_equally_many_photos_are_a_mixed_album(make, codes):
    report = decide(make.album(*[0, 1] * 6), 128)
    assert isinstance(report.refusal, AlbumMixedIdentityError)
    assert report.kept == () == report.advice
    assert codes(report) == ["album_mixed_identity"] * 12
    assert len({photo.reason for photo in report.photos}) == 2, "which of the two a photo shows is said"
    assert report.sureness == 0
    with pytest.raises(AlbumMixedIdentityError, match="more than half of the photos") as caught:
        report.require_usable()
    assert caught.value.code == "album_mixed_identity"
    assert [photo.label for photo in caught.value.report.photos] == [str(place) for place in range(12)]


def test_six_of_one_and_five_of_another_are_too_near_to_call(make):
    assert majority(make.album(*[0] * 6, *[1] * 5)).doubt == "rival"
    assert majority(make.album(*[0] * 7, *[1] * 5)).doubt == ""


def test_as_many_strangers_as_photos_are_a_mixed_album(make):
    assert majority(make.album(*range(10))).doubt == "no_majority"


def test_a_couple_that_is_together_in_every_photo_is_a_mixed_album(make):
    with pytest.raises(AlbumMixedIdentityError, match="Two people"):
        decide(make.album(*[(0, 1)] * 8), 128).require_usable()


def test_a_companion_in_most_photos_is_no_rival_and_is_never_chosen(make, codes):
    album = make.album(*[(1, 0)] * 8, *[(0,)] * 4)
    report = decide(album, 128)
    assert codes(report) == [""] * 12
    assert [photo.face for photo in report.photos] == [1] * 8 + [0] * 4


def test_a_group_photo_contributes_the_person_s_face_not_the_first_one(make):
    album = make.album(0, 0, 0, 0, (3, 4, 0, 5), (6, 0), 0)
    report = decide(album, 128)
    assert (report.photos[4].face, report.photos[5].face) == (2, 1)


def test_a_group_photo_without_the_person_lets_nobody_through(make, codes):
    assert codes(decide(make.album(0, 0, 0, 0, (3, 4, 5)), 128))[-1] == "other_person"


def test_a_face_between_two_people_is_not_sure_enough(make, codes):
    album = make.album(*[0] * 12)
    distances = []
    for share in (0.4, 0.7, 1.0):
        blend = make.photo(0, vector=make.between(0, 1, share))
        report = decide([*album, blend], 128)
        distances.append((report.photos[-1].code, report.photos[-1].sureness))
    assert [code for code, _ in distances] == ["", "person_unsure", "other_person"]
    sureness = [value for _, value in distances]
    assert sureness == sorted(sureness, reverse=True)
    assert sureness[-1] == 0


def test_two_faces_of_one_photo_that_are_equally_near_are_not_sure_enough(make, codes):
    album = make.album(*[0] * 12)
    halfway = [make.face(vector=make.between(0, other, 0.6)) for other in (1, 2)]
    assert codes(decide([*album, PhotoFacts("alone", (halfway[0],))], 128))[-1] == ""
    assert codes(decide([*album, PhotoFacts("both", tuple(halfway))], 128))[-1] == "person_unsure"


def test_a_tight_album_draws_a_tight_line(make):
    usual = person_of(make.album(*[0] * 12))
    tight = person_of([make.photo(0, spread=0.2) for _ in range(12)])
    assert tight.limit < usual.limit
    assert tight.limit == DEFAULT.least_limit
    assert usual.limit == pytest.approx(DEFAULT.limit_ratio * usual.typical)


def test_people_whom_dlib_can_hardly_tell_apart_are_not_taken_for_one(make):
    loose = [make.photo(0, spread=0.41) for _ in range(16)]
    assert majority(loose).doubt == "spread"


def test_a_face_is_no_witness_for_itself(make):
    album = make.album(0, 0, 0, 0)
    person = person_of(album)
    vector = album[0].faces[0].vector
    assert person.distance(0, vector) > float(np.linalg.norm(vector - person.vectors.mean(axis=0)))


def test_copies_of_one_picture_count_as_one_witness(make):
    once = make.photo(1, label="copied")
    album = [*make.album(0, 0, 0, 0), *[once] * 20]
    report = decide(album, 128)
    assert report.refusal is None
    assert report.kept == (0, 1, 2, 3)


def test_the_order_of_the_photos_changes_nothing(make):
    album = make.album(*[0] * 8, 1, 2, (3, 0))
    order = np.random.default_rng(1).permutation(len(album))
    one, other = decide(album, 128), decide([album[place] for place in order], 128)
    assert {photo.label: photo for photo in one.photos} == {photo.label: photo for photo in other.photos}


def test_spectators_too_small_to_restore_are_no_witnesses(make):
    album = make.album(0, 0, 0, 0)
    crowd = [make.photo(person, restorable=False) for person in range(1, 8)]
    assert decide([*album, *crowd], 128).refusal is None

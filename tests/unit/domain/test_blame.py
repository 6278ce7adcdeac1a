import pytest

from core.domain.blame import is_to_blame, set_aside_for


@pytest.mark.parametrize(
    ("deaths", "blamed"),
    [
        ([], False),
        (["a"], False),
        (["a", "b"], False),
        (["a", "b", "c"], True),
        (["a", "a", "a"], False),  # it may be this one
        (["a", "b", "a"], False),  # or this one
        (["a", "a", "b"], False),
        (["abcd", "a", "b"], False),  # a batch, whose members run alone afterwards: two of them may be bad
        (["abcd", "a", "b", "c"], True),
        (["ab", "cd", "ef"], True),
        (["a", "a", "b", "c", "d"], True),
    ],
)
def test_a_station_is_to_blame_where_three_died_in_a_row_and_never_with_the_same_job(deaths, blamed):
    assert is_to_blame([set(death) for death in deaths]) is blamed


def test_a_station_is_set_aside_longer_with_each_death_and_at_most_an_hour():
    told = [set_aside_for(deaths).total_seconds() for deaths in (3, 4, 5, 6, 600)]
    assert told == [160, 640, 2560, 3600, 3600]

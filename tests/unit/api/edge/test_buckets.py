import pytest

from api.edge.buckets import Buckets


class Clock:
    def __init__(self):
        self.seconds = 1000.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def clock():
    return Clock()


def test_a_full_bucket_gives_a_minute_s_worth_at_once_and_then_as_it_fills(clock):
    buckets = Buckets(6, clock=clock)
    taken = [buckets.take("a") for _ in range(7)]
    assert [standing.allowed for standing in taken] == [True] * 6 + [False]
    assert [standing.remaining for standing in taken] == [5, 4, 3, 2, 1, 0, 0]
    assert taken[-1].wait_seconds == pytest.approx(10)
    assert taken[-1].full_seconds == pytest.approx(60)
    clock.seconds += 9.9
    assert not buckets.take("a").allowed
    clock.seconds += 0.1
    assert buckets.take("a").allowed
    assert not buckets.take("a").allowed


def test_over_a_long_time_no_more_is_given_than_the_rate_and_one_bucket(clock):
    buckets = Buckets(100, clock=clock)
    given = 0
    for _ in range(6000):
        clock.seconds += 0.1
        given += buckets.take("a").allowed
    assert 1099 <= given <= 1100


def test_one_s_bucket_is_not_another_s(clock):
    buckets = Buckets(1, clock=clock)
    assert buckets.take("a").allowed
    assert buckets.take("b").allowed
    assert not buckets.take("a").allowed


def test_what_is_only_looked_at_stays(clock):
    buckets = Buckets(2, clock=clock)
    assert all(buckets.look("a").allowed for _ in range(9))
    buckets.take("a")
    buckets.take("a")
    assert not buckets.look("a").allowed
    assert buckets.look("a").wait_seconds == pytest.approx(30)


def test_memory_is_bounded_and_whoever_asks_now_is_remembered(clock):
    buckets = Buckets(2, most_names=10, clock=clock)
    for number in range(1000):
        buckets.take("steady")
        buckets.take(f"once-{number}")
    assert len(buckets) == 10
    assert not buckets.look("steady").allowed

from tests.chaos.options import EVERY_SECONDS, Mode, Options
from tests.chaos.orders import Action
from tests.chaos.plan import Kind, named_points, plan


def planned(seed: int, mode: Mode = Mode.SERVER, seconds: float = 600.0):
    return plan(seed, seconds, Options(mode=mode, seconds=seconds).faults)


def test_the_same_seed_is_the_same_plan_and_another_is_another():
    assert planned(7) == planned(7)
    assert planned(7) != planned(8)


def test_however_short_it_is_every_kind_of_its_mode_comes():
    for mode in Mode:
        assert {fault.kind for fault in planned(1, mode, 20.0)} == set(EVERY_SECONDS[mode])


def test_leaving_kinds_out_leaves_the_others_as_they_were():
    kills = Options(seconds=600.0, only=(Kind.KILL,)).faults
    assert plan(7, 600.0, kills) == tuple(fault for fault in planned(7) if fault.kind is Kind.KILL)


def test_it_is_in_order_and_within_its_time():
    times = [fault.at for fault in planned(3)]
    assert times == sorted(times)
    assert 0 <= times[0] <= times[-1] < 600


def test_every_named_point_comes_before_any_comes_again():
    kills = [fault.point for fault in planned(5) if fault.kind is Kind.POINT_KILL]
    assert set(kills[: len(named_points())]) == set(named_points())
    assert all(fault.action is Action.KILL for fault in planned(5) if fault.kind is Kind.POINT_KILL)


def test_a_zombie_stands_still_for_longer_than_its_lease():
    stops = [fault for fault in planned(2) if fault.kind is Kind.ZOMBIE]
    assert stops
    assert all(fault.seconds > Options().lease_seconds for fault in stops)

import asyncio

import pytest

from api.edge.admission import Lane, Place, Room


def test_so_many_at_once_and_the_next_when_one_leaves():
    async def scene():
        lane = Lane(2)
        assert [lane.enter_at_once() for _ in range(3)] == [True, True, False]
        third = asyncio.create_task(lane.enter_in_turn())
        fourth = asyncio.create_task(lane.enter_in_turn())
        await asyncio.sleep(0)
        lane.leave()
        assert await third
        assert not fourth.done()
        assert lane.in_hand == 2
        lane.leave()
        assert await fourth
        lane.leave()
        lane.leave()
        assert lane.in_hand == 0

    asyncio.run(scene())


def test_nobody_is_overtaken_by_who_comes_later():
    async def scene():
        lane = Lane(1)
        lane.enter_at_once()
        waiting = asyncio.create_task(lane.enter_in_turn())
        await asyncio.sleep(0)
        lane.leave()
        assert not lane.enter_at_once()
        assert await waiting

    asyncio.run(scene())


def test_a_burst_waits_and_an_overload_is_told_at_once():
    async def scene():
        loop = asyncio.get_running_loop()
        lane = Lane(1, patient_seconds=0.3)
        lane.enter_at_once()
        began = loop.time()
        burst = asyncio.create_task(lane.enter_in_turn())
        await asyncio.sleep(0.1)
        assert not burst.done()
        assert not await burst
        assert loop.time() - began >= 0.3
        began = loop.time()
        assert not any(await asyncio.gather(*(lane.enter_in_turn() for _ in range(100))))
        assert loop.time() - began < 0.2
        lane.leave()
        assert lane.in_hand == 0
        assert lane.enter_at_once()

    asyncio.run(scene())


def test_whoever_is_stopped_while_waiting_keeps_no_place():
    async def scene():
        lane = Lane(1)
        lane.enter_at_once()
        before, granted = (asyncio.create_task(lane.enter_in_turn()) for _ in range(2))
        await asyncio.sleep(0)
        before.cancel()
        await asyncio.sleep(0)
        lane.leave()  # `granted` has it now, and does not know yet
        granted.cancel()
        await asyncio.gather(before, granted, return_exceptions=True)
        assert lane.in_hand == 0
        assert lane.enter_at_once()

    asyncio.run(scene())


def test_a_place_is_given_back_once():
    lane = Lane(2)
    lane.enter_at_once()
    lane.enter_at_once()
    place = Place(lane)
    place.give_back()
    place.give_back()
    assert lane.in_hand == 1


@pytest.mark.parametrize("most", [0, 1, 3])
def test_a_room_has_so_many_seats(most):
    room = Room(most)
    assert [room.sit() for _ in range(most + 1)] == [True] * most + [False]
    assert room.is_full
    if most:
        room.rise()
        assert room.sit()

"""Reads that are refused before they are parsed: they must look like what the gate answers, and be nothing else."""

import asyncio
import json

import pytest

from api.edge.admission import Lane
from api.edge.shedding import Shedding
from tests.wire import request

POLL = request("GET", "/v1/jobs/job_x", "Authorization: Bearer hl_x")


class Overloaded(Lane):
    sheds = True


class Counting:
    def __init__(self):
        self.noted = []

    def note(self, method, status):
        self.noted.append((method, status))


@pytest.fixture
def refusals():
    return Counting()


@pytest.fixture
def shedding(refusals):
    return Shedding(Overloaded(1), refusals, https=False)


def test_a_poll_is_answered_with_a_whole_problem(shedding, refusals):
    head, _, body = shedding.answer(POLL).partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    problem = json.loads(body)
    assert first == "HTTP/1.1 503 Service Unavailable"
    assert int(headers["content-length"]) == len(body)
    assert (problem["code"], problem["retryable"]) == ("overloaded", True)
    assert problem["request_id"] == headers["x-request-id"] != ""
    assert headers["x-content-type-options"] == "nosniff"
    assert int(headers["retry-after"]) >= 1
    assert shedding.answer(POLL) != shedding.answer(POLL)  # each has an id of its own
    assert refusals.noted == [("GET", 503)] * 3


@pytest.mark.parametrize(
    "data",
    [
        request("GET", "/livez"),
        request("GET", "/readyz"),
        request("GET", "/metrics"),
        request("POST", "/v1/jobs/job_x/cancel"),
        request("HEAD", "/v1/jobs"),
        request("GET", "/v1/jobs", "Content-Length: 5"),
        request("GET", "/v1/jobs", "transfer-encoding: chunked"),
        request("GET", "/v1/jobs", "Connection: close"),
        request("GET", "/v1/jobs", "Expect: 100-continue"),
        POLL + POLL,
        POLL[:-2],
        POLL[:20],
        POLL + b"x",
        POLL.replace(b"Host", b"Hose"),
        POLL.replace(b"1.1", b"1.0"),
        request("GET", "/v1/jobs", f"X: {'x' * 9000}"),
        b"",
    ],
)
def test_what_is_not_simply_a_read_is_parsed_as_ever(shedding, data):
    assert shedding.answer(data) == b""


def test_without_an_overload_nothing_is_shed(refusals):
    lane = Lane(1)
    assert Shedding(lane, refusals, https=False).answer(POLL) == b""
    lane.enter_at_once()
    assert Shedding(lane, refusals, https=False).answer(POLL) == b""
    assert refusals.noted == []


def test_it_is_an_overload_where_somebody_was_refused_and_enough_wait():
    async def scene():
        lane = Lane(4, patient_seconds=0.01)
        assert [lane.enter_at_once() for _ in range(4)] == [True] * 4
        waiting = [asyncio.ensure_future(lane.enter_in_turn()) for _ in range(3)]
        await asyncio.sleep(0)
        assert not lane.sheds  # a burst
        assert not any(await asyncio.gather(*waiting))
        assert not lane.sheds  # a place that becomes free now would find nobody
        waiting = [asyncio.ensure_future(lane.enter_in_turn()) for _ in range(2)]
        await asyncio.sleep(0)
        assert lane.sheds
        lane.leave()
        assert await waiting[0]
        assert not lane.sheds
        await waiting[1]

    asyncio.run(scene())

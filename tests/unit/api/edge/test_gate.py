"""More requests than can be worked on at once, on a real port."""

import asyncio
import threading
import time
from contextlib import contextmanager

import pytest

from api.edge import gate
from api.edge.gate import Gate
from tests.served import served
from tests.wire import on_the_wire, request

CLOSE = "Connection: close"


@contextmanager
def stuck(api, monkeypatch, count, call):
    """So many requests in hand whose database does not answer before the block ends."""
    released, inside = threading.Event(), threading.Semaphore(0)
    read = api.database.read

    def slow_read():
        inside.release()
        released.wait(20)
        return read()

    monkeypatch.setattr(api.database, "read", slow_read)
    threads = [threading.Thread(target=call) for _ in range(count)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert inside.acquire(timeout=10)
    monkeypatch.setattr(api.database, "read", read)
    try:
        yield
    finally:
        released.set()
        for thread in threads:
            thread.join()


@pytest.fixture
def small(sqlite_database, tmp_path, monkeypatch):
    """An application that works on three reads and two writes at once."""
    monkeypatch.setattr(gate, "_WRITES_WAIT_SECONDS", 0.1)
    with served(sqlite_database, tmp_path, max_reads_in_hand=3, max_writes_in_hand=2, max_waiting=1) as api:
        yield api


def test_what_is_too_much_is_refused_at_once_and_unread_while_writes_and_probes_go_on(small, monkeypatch):
    with on_the_wire(small.client.app) as wire:
        with stuck(small, monkeypatch, 3, lambda: wire.answer(request("GET", "/v1/jobs", CLOSE))):
            refused = [wire.answer(request("GET", "/v1/jobs", CLOSE))]
            began = time.monotonic()
            refused += [wire.answer(request("GET", "/v1/jobs", CLOSE)) for _ in range(10)]
            assert time.monotonic() - began < 1
            made = wire.answer(request("POST", "/v1/subjects", CLOSE, "Content-Length: 2", body=b"{}"))
            alive = wire.answer(request("GET", "/livez", CLOSE))
            ready = wire.answer(request("GET", "/readyz", CLOSE))
        after = wire.answer(request("GET", "/v1/jobs", CLOSE))
    assert {answer.status for answer in refused} == {503}
    problem = refused[0].problem
    assert (problem["code"], problem["retryable"], problem["instance"]) == ("overloaded", True, "/v1/jobs")
    assert problem["request_id"] == refused[0].headers["x-request-id"]
    assert int(refused[0].headers["retry-after"]) >= 1
    assert refused[0].headers["x-content-type-options"] == "nosniff"
    assert (made.status, alive.status, ready.problem["code"]) == (422, 200, "not_ready")
    assert after.status == 200
    counted = small.client.app.state.service.metrics.registry
    labels = {"method": "GET", "route": "none", "status": "503"}
    assert counted.get_sample_value("heirloom_requests_total", labels) == len(refused)


def test_a_large_body_is_refused_before_it_is_read(small, monkeypatch):
    upload = request("POST", "/v1/batches", "Content-Type: application/json", "Content-Length: 2", CLOSE, body=b"{}")
    with (
        on_the_wire(small.client.app) as wire,
        stuck(small, monkeypatch, 2, lambda: wire.answer(upload)),
    ):
        began = time.monotonic()
        answer = wire.answer(request("PUT", "/v1/files", "Content-Length: 50000000"))
        assert time.monotonic() - began < 10
    assert (answer.status, answer.headers["connection"]) == (503, "close")


def test_whoever_waits_for_a_job_takes_no_place_and_where_no_seat_is_free_is_answered_at_once(small):
    body = {"input": {"file_id": small.file()}, "mode": "direct"}
    room = small.client.app.state.service.waiting
    first = threading.Thread(
        target=small.client.post, args=("/v1/restorations",), kwargs={"json": body, "headers": {"Prefer": "wait=60"}}
    )
    first.start()
    while not room.is_full:
        time.sleep(0.01)
    answer = small.client.post("/v1/restorations", json=body, headers={"Prefer": "wait=60"})
    assert answer.status_code == 202
    assert "preference-applied" not in answer.headers
    listening = small.client.get(answer.json()["links"]["events"])
    assert (listening.status_code, listening.json()["code"]) == (503, "overloaded")
    for job in small.client.get("/v1/jobs").json()["data"]:
        small.client.post(job["links"]["cancel"])
    first.join()
    assert not room.is_full


def test_whatever_becomes_of_a_request_its_place_is_free_again(small):
    async def fails(scope, receive, send):
        raise asyncio.CancelledError

    service = small.client.app.state.service
    layer = Gate(fails, service.settings, service.rates, service.reads, service.refusals)

    async def scene():
        for _ in range(10):
            scope = {"type": "http", "method": "GET", "path": "/v1/jobs", "headers": []}
            await asyncio.wait([asyncio.ensure_future(layer(scope, None, None))])
        assert layer._reads.in_hand == 0

    asyncio.run(scene())


def test_the_slots_are_given_back_by_ordinary_requests(small):
    for _ in range(20):
        assert small.client.get("/v1/jobs").status_code == 200
        assert small.client.post("/v1/subjects", json={}).status_code == 422
        assert small.client.get("/nowhere").status_code == 404

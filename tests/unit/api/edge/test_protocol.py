"""Callers who are slow on purpose, on a real port."""

import socket
import time
from contextlib import ExitStack, closing

import httpx
import pytest

from api.edge.admission import Lane
from api.edge.shedding import Shedding
from tests.served import served
from tests.wire import PATIENCE_SECONDS, heard, on_the_wire, request

MANY = 250
SECONDS = 0.6
"""Every deadline here."""
FORM = "Content-Type: multipart/form-data; boundary=x"


@pytest.fixture
def wire(api):
    deadlines = {"header_seconds": SECONDS, "stall_seconds": SECONDS, "keep_alive_seconds": SECONDS}
    with on_the_wire(api.client.app, **deadlines) as found:
        yield found


def many(wire, stack, sent):
    return [stack.enter_context(closing(wire.connect(sent))) for _ in range(MANY)]


def longest_poll(wire, seconds):
    """The slowest of a normal caller's requests within a time."""
    slowest, until = 0.0, time.monotonic() + seconds
    with httpx.Client(base_url=f"http://127.0.0.1:{wire.port}") as client:
        while (began := time.monotonic()) < until:
            assert client.get("/v1/jobs").status_code == 200
            slowest = max(slowest, time.monotonic() - began)
    return slowest


def test_headers_that_never_end_are_given_up_while_others_are_answered(wire):
    with ExitStack() as stack:
        began = time.monotonic()
        slow = many(wire, stack, b"GET /v1/jobs HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        longest_poll(wire, SECONDS)
        answers = [heard(connection) for connection in slow]
        assert time.monotonic() - began < PATIENCE_SECONDS
    assert {answer.status for answer in answers} == {408}
    assert answers[0].problem["code"] == "request_timeout"
    assert answers[0].headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "body",
    [
        (FORM, "Content-Length: 1000000"),
        (FORM, "Transfer-Encoding: chunked"),
    ],
)
def test_bodies_that_stall_are_given_up_while_others_are_answered(wire, body, tmp_path):
    with ExitStack() as stack:
        began = time.monotonic()
        slow = many(wire, stack, request("POST", "/v1/files", *body))
        longest_poll(wire, SECONDS)
        answers = [heard(connection) for connection in slow]
        assert time.monotonic() - began < PATIENCE_SECONDS
    assert {answer.status for answer in answers} <= {408, 503}  # where a place becomes free only after a while
    given_up = [answer for answer in answers if answer.status == 408]
    assert len(given_up) >= 32
    problem = given_up[0].problem
    assert (problem["code"], problem["retryable"]) == ("request_timeout", True)
    assert problem["request_id"] == given_up[0].headers["x-request-id"]
    assert {answer.headers["connection"] for answer in answers} == {"close"}
    assert [path for path in (tmp_path / "home" / "spool").rglob("*") if path.is_file()] == []


def test_small_bodies_that_stall_never_reach_the_service(wire):
    with ExitStack() as stack:
        sent = request("POST", "/v1/restorations", "Content-Type: application/json", "Content-Length: 100", body=b"{")
        slow = many(wire, stack, sent)
        with httpx.Client(base_url=f"http://127.0.0.1:{wire.port}") as client:
            made = client.post("/v1/subjects", json={"name": "Tom", "category": "cat"})
        answers = [heard(connection) for connection in slow]
    assert made.status_code == 201
    assert {answer.status for answer in answers} == {408}
    assert answers[0].problem["code"] == "request_timeout"
    answered = wire.answer(request("GET", "/metrics", "Connection: close")).body
    assert b'route="/v1/restorations"' not in answered


def test_headers_are_not_waited_for_longer_because_they_trickle(wire):
    with wire.connect(b"GET /v1/jobs HTTP/1.1\r\n") as connection:
        began = time.monotonic()
        connection.settimeout(0.05)
        while time.monotonic() - began < PATIENCE_SECONDS:
            try:
                connection.sendall(b"X: y\r\n")
                said = connection.recv(65536)
                break
            except TimeoutError:
                continue
    assert said.startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - began < SECONDS * 3


def test_a_body_that_trickles_is_given_up_where_it_would_take_for_ever(api):
    with on_the_wire(api.client.app, stall_seconds=0.4, body_bytes_per_second=1000) as wire:
        sent = request("PUT", "/v1/files", "Content-Type: application/octet-stream", "Content-Length: 1000000")
        with wire.connect(sent) as connection:
            connection.settimeout(0.05)
            until = time.monotonic() + PATIENCE_SECONDS
            said = b""
            while not said and time.monotonic() < until:
                connection.sendall(b"x")  # never silent for long
                try:
                    said = connection.recv(65536)
                except TimeoutError:
                    continue
    assert said.startswith(b"HTTP/1.1 408 ")


def test_a_slow_body_that_keeps_up_is_taken(api):
    with on_the_wire(api.client.app, stall_seconds=0.4, body_bytes_per_second=100) as wire:
        photo = b"\x89PNG\r\n\x1a\n" + bytes(392)
        sent = request("PUT", "/v1/files", "Content-Length: 400", "Connection: close", "Content-Type: image/png")
        with wire.connect(sent) as connection:
            for place in range(0, 400, 40):
                time.sleep(0.1)
                connection.sendall(photo[place : place + 40])
            assert heard(connection).status == 201


def test_whoever_asks_nothing_is_told_nothing(wire):
    assert wire.answer(b"").status == 0
    with httpx.Client(base_url=f"http://127.0.0.1:{wire.port}") as client:
        assert client.get("/livez").status_code == 200
    with wire.connect(request("GET", "/livez")) as connection:  # and kept open after its answer
        assert heard(connection).status == 200


def test_a_large_answer_that_nobody_takes_is_cut_off(api):
    async def large(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for left in reversed(range(50)):
            await send({"type": "http.response.body", "body": bytes(2**20), "more_body": bool(left)})

    with on_the_wire(large, stall_seconds=0.4) as wire, wire.connect(request("GET", "/")) as connection:
        time.sleep(1.5)
        assert all_of_it(connection) < 50 * 2**20


@pytest.mark.parametrize("framing", ["Transfer-Encoding: chunked", "Content-Length: 1000000000"])
def test_a_body_that_nobody_wants_is_answered_early_and_its_connection_closed(wire, framing):
    with wire.connect(request("POST", "/nowhere", framing, body=b"5\r\nabcde\r\n")) as connection:
        answer = heard(connection)
        assert answer.status == 404
        assert answer.headers["connection"] == "close"
        with pytest.raises(OSError, match=r"reset|pipe"):
            go_on_sending(connection)


@pytest.mark.parametrize("path", ["/v1/files", "/v1/restorations", "album", "/v1/batches", "/v1/faces/detect"])
def test_a_chunked_body_without_an_end_is_refused_early_and_leaves_nothing(sqlite_database, tmp_path, path):
    with (
        served(sqlite_database, tmp_path / "home", max_upload_mib=1, max_album_mib=1) as api,
        on_the_wire(api.client.app) as wire,
    ):
        path = f"/v1/subjects/{api.subject()}/album" if path == "album" else path
        head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n\x89PNG\r\n\x1a\n'
        chunk = b"%x\r\n%s\r\n"
        sent = request("POST", path, FORM, "Transfer-Encoding: chunked", body=chunk % (len(head), head))
        with wire.connect(sent) as connection:
            sent_bytes = endless_chunks(connection)
            answer = heard(connection)
        assert answer.status == 413
        assert answer.problem["code"] in ("body_too_large", "image_too_large")
        assert answer.headers["connection"] == "close"
        assert sent_bytes < 16 * 2**20
        time.sleep(0.05)
        assert [found for found in (tmp_path / "home").rglob("*") if found.is_file()] == []


def all_of_it(connection: socket.socket) -> int:
    taken = 0
    while piece := connection.recv(2**20):
        taken += len(piece)
    return taken


def go_on_sending(connection: socket.socket) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        connection.sendall(bytes(65536))
        time.sleep(0.005)


def endless_chunks(connection: socket.socket) -> int:
    """Send until there is an answer; the bytes."""
    piece = b"%x\r\n%s\r\n" % (65536, bytes(65536))
    connection.setblocking(False)
    sent = 0
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        try:
            if connection.recv(1, socket.MSG_PEEK):
                break
        except BlockingIOError:
            pass
        try:
            sent += connection.send(piece[sent % len(piece) :])
        except BlockingIOError:
            time.sleep(0.002)
    connection.settimeout(PATIENCE_SECONDS)
    return sent


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "malformed_request"),
        (b"GET / HTTP/1.1\r\n\r\n", 400, "malformed_request"),
        (request("GET", "/", "Host: evil.example"), 400, "malformed_request"),
        (request("GET", "/", f"X: {'x' * 20_000}"), 431, "headers_too_large"),
        (request("GET", "/", *(f"X-{n}: y" for n in range(200))), 431, "headers_too_large"),
        (request("POST", "/v1/files", FORM, "Transfer-Encoding: chunked", body=b"zz\r\n"), 400, "malformed_request"),
        (request("POST", "/v1/files", "Content-Length: 5", "Content-Length: 6"), 400, "malformed_request"),
    ],
)
def test_what_is_not_http_is_a_problem_too(wire, sent, status, code):
    answer = wire.answer(sent)
    assert (answer.status, answer.problem["code"]) == (status, code)
    assert answer.headers["connection"] == "close"
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_more_connections_than_may_be_are_told_so(api):
    with on_the_wire(api.client.app, connections=5) as wire, ExitStack() as stack:
        held = [stack.enter_context(closing(wire.connect())) for _ in range(5)]
        answer = heard(stack.enter_context(closing(wire.connect())))
        assert (answer.status, answer.problem["code"]) == (503, "overloaded")
        assert int(answer.headers["retry-after"]) >= 1
        held[0].close()
        time.sleep(0.1)
        assert wire.answer(request("GET", "/livez", "Connection: close")).status == 200


def test_more_connections_from_one_address_than_may_be_leave_room_for_others(api):
    with on_the_wire(api.client.app, connections_per_address=3) as wire, ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(closing(wire.connect()))
        assert wire.answer(request("GET", "/livez", "Connection: close")).status == 503
        other = socket.create_connection(("127.0.0.1", wire.port), PATIENCE_SECONDS, source_address=("127.0.0.2", 0))
        stack.enter_context(closing(other))
        other.sendall(request("GET", "/livez", "Connection: close"))
        assert heard(other).status == 200


def test_in_an_overload_a_connection_answers_reads_by_itself_and_goes_on_afterwards(api):
    service = api.client.app.state.service

    class Switched(Lane):
        sheds = True

    lane = Switched(1)
    shedding = Shedding(lane, service.refusals, https=False)
    with (
        on_the_wire(api.client.app, shedding=shedding, keep_alive_seconds=SECONDS) as wire,
        httpx.Client(base_url=f"http://127.0.0.1:{wire.port}") as client,
    ):
        assert [client.get("/v1/jobs").status_code for _ in range(3)] == [503] * 3
        assert client.get("/livez").status_code == 200
        assert client.post("/v1/subjects", json={}).status_code == 422
        Switched.sheds = False
        assert client.get("/v1/jobs").status_code == 200
        Switched.sheds = True
        with wire.connect(request("GET", "/v1/jobs")) as connection:
            assert heard(connection).status == 503  # and closed when nothing follows


def test_a_caller_who_waits_for_100_is_told_to_go_on_only_where_the_body_is_wanted(wire):
    expects = ("Expect: 100-continue", "Content-Length: 5")
    refused = wire.answer(request("POST", "/nowhere", *expects))
    assert refused.status == 404
    wanted = wire.connect(request("POST", "/v1/restorations", "Content-Type: application/json", *expects))
    with wanted as connection:
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"wrong")
        assert connection.recv(65536).startswith(b"HTTP/1.1 400 ")

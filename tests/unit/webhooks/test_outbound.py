"""One POST: what arrives, what is made of the answer, and that nobody can hold a worker up."""

import shutil
import socket
import ssl
import subprocess
import time
from contextlib import contextmanager, suppress
from threading import Thread

import pytest

from core.webhooks.address import parse
from core.webhooks.guard import AddressGuard
from core.webhooks.outbound import Outbound, Outcome, connect
from tests.receiver import LOCAL, LOOPBACK, receiver


@pytest.fixture(scope="module")
def server():
    with receiver() as listening:
        yield listening


@contextmanager
def scripted(script):
    """A server that does with its one connection what the script says."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve():
        with listening:
            opened, _ = listening.accept()
            with opened:
                opened.settimeout(5)
                with suppress(OSError):  # the other side has hung up: that is what some of these wait for
                    script(opened)

    thread = Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
    thread.join(5)
    assert not thread.is_alive()


def post(url, seconds=5.0):
    return Outbound(AddressGuard(LOOPBACK), seconds=seconds).post(parse(url), {"webhook-id": "evt_1"}, b'{"a":1}')


def test_the_body_arrives_to_the_byte_with_its_headers(server):
    assert post(f"{server.url}/hook?x=1") == Outcome(204)
    got = server.got[-1]
    assert (got.path, got.body) == ("/hook?x=1", b'{"a":1}')
    assert got.headers["host"] == server.url.removeprefix("http://")
    assert got.headers["content-type"] == "application/json"
    assert got.headers["webhook-id"] == "evt_1"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        *((status, "") for status in (200, 204, 299)),
        *((status, "redirected") for status in (301, 302, 303, 307, 308)),
        *((status, "refused") for status in (400, 404, 410, 429, 500, 503)),
    ],
)
def test_only_a_2xx_is_taken_and_no_redirect_is_followed(server, status, code):
    server.statuses.append(status)
    before = len(server.got)
    assert post(f"{server.url}/hook") == Outcome(status, code)
    assert len(server.got) == before + 1
    assert Outcome(status, code).final == (status == 410)


def drip(opened):
    opened.recv(4096)
    for byte in b"HTTP/1.1 200 OK\r\n" * 50:
        opened.sendall(bytes([byte]))
        time.sleep(0.02)


def silent(opened):
    while opened.recv(4096):
        pass


def forever_continue(opened):
    opened.recv(4096)
    while True:
        opened.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 50)
        time.sleep(0.01)


@pytest.mark.parametrize("script", [drip, silent, forever_continue])
def test_whoever_is_slow_is_hung_up_on(script):
    begun = time.monotonic()
    with scripted(script) as url:
        assert post(url, seconds=0.3).code == "timeout"
        assert time.monotonic() - begun < 3


def endless(opened):
    opened.recv(4096)
    opened.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")
    for _ in range(10_000):
        opened.sendall(bytes(1 << 16))


def test_the_answer_s_body_is_not_read():
    begun = time.monotonic()
    with scripted(endless) as url:
        assert post(url) == Outcome(200)
        assert time.monotonic() - begun < 2


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "not_http"),
        (b"HTTP/1.1 banana\r\n\r\n", "not_http"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n", "not_http"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n", "not_http"),
        (b"", "connection_failed"),
    ],
)
def test_what_is_no_answer_is_told_as_such(answer, code):
    def script(opened):
        opened.recv(4096)
        opened.sendall(answer)

    with scripted(script) as url:
        assert post(url).code == code


def test_nobody_there_and_no_tls_there_are_told_apart(server):
    assert post("http://127.0.0.1:1/").code == "connection_failed"
    assert post(server.url.replace("http:", "https:") + "/").code == "tls_failed"


def test_the_next_address_is_tried_where_the_first_does_not_answer(server):
    port = int(server.url.rpartition(":")[2])

    def reach(address, at, seconds):
        if address == "127.0.0.2":
            raise ConnectionRefusedError
        return connect(address, at, seconds)

    outbound = Outbound(LOCAL.guard, lambda *_: ["127.0.0.2", "127.0.0.1"], reach)
    assert outbound.post(parse(f"http://two.example:{port}/"), {}, b"{}") == Outcome(204)
    assert server.got[-1].headers["host"] == f"two.example:{port}"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Of photos.example.org, by nobody but itself."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not here, and nothing else makes certificates")
    file = tmp_path_factory.mktemp("tls") / "certificate.pem"
    call = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    call += ["-days", "2", "-subj", "/CN=x", "-addext", "subjectAltName=DNS:photos.example.org", "-keyout", str(file)]
    made = subprocess.run(call, check=True, capture_output=True)  # noqa: S603  # our own command line
    file.write_bytes(file.read_bytes() + made.stdout)
    return file


@pytest.mark.parametrize(("name", "code"), [("photos.example.org", ""), ("other.example.org", "tls_failed")])
def test_tls_and_host_keep_the_name_while_the_connection_goes_to_the_checked_address(certificate, name, code):
    trusting = ssl.create_default_context(cafile=certificate)
    with receiver(certificate) as server:
        port = int(server.url.rpartition(":")[2])
        outbound = Outbound(LOCAL.guard, lambda *_: ["127.0.0.1"], context=trusting)
        assert outbound.post(parse(f"https://{name}:{port}/x"), {}, b"{}").code == code
        assert [got.headers["host"] for got in server.got] == ([] if code else [f"{name}:{port}"])


def test_certificates_are_checked_unless_somebody_says_otherwise(monkeypatch):
    made = []
    real = ssl.create_default_context

    def noted():
        made.append(real())
        return made[-1]

    monkeypatch.setattr(ssl, "create_default_context", noted)
    with receiver() as plain:
        post(plain.url.replace("http:", "https:") + "/")
    assert made[0].verify_mode is ssl.CERT_REQUIRED
    assert made[0].check_hostname

"""A server in a process of its own with a small application: signals are of the whole process."""

import signal
import subprocess
import sys
import threading

import httpx
import pytest

SERVER = """
import asyncio, sys
from api.edge.limits import ConnectionLimits
from cli.http_server import serve
from cli.listening import open_listener, url_of
from cli.worker_process import WorkerProcess

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    if scope["path"] == "/slow":
        print("asked", flush=True)
        await asyncio.sleep(60)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"here"})

listener = open_listener("127.0.0.1", 0)
begin, end = lambda: print(url_of(listener), flush=True), lambda: print("ending", flush=True)
serve(app, listener, None, begin, end, ConnectionLimits())
print("drained", flush=True)
"""


@pytest.fixture
def server():
    with subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  # our own
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_stops_it_and_what_follows_is_still_done(server, number):
    process, url = server
    assert httpx.get(url).text == "here"
    process.send_signal(number)
    assert process.stdout.read() == "ending\ndrained\n"
    assert process.wait() == 0


def test_a_second_signal_ends_at_once_even_while_a_request_is_being_answered(server):
    process, url = server

    def interrupt():
        assert process.stdout.readline() == "asked\n"
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{url}/slow", timeout=30)
    thread.join()
    assert process.wait() == 130
    assert "drained" not in process.stdout.read()

"""A served application on a real port, by the server that `heirloom serve` runs, in this process."""

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn

from api.edge.limits import ConnectionLimits
from api.edge.shedding import Shedding
from cli.http_server import config_of
from cli.listening import open_listener

PATIENCE_SECONDS = 10


@dataclass
class Wire:
    """Where it listens."""

    port: int

    def connect(self, sent: bytes = b"") -> socket.socket:
        """A connection on which something was sent already."""
        connection = socket.create_connection(("127.0.0.1", self.port), PATIENCE_SECONDS)
        connection.sendall(sent)
        return connection

    def answer(self, sent: bytes) -> "Heard":
        """Send, and hear everything until the other end closes."""
        with self.connect(sent) as connection:
            return heard(connection)


@dataclass
class Heard:
    """An answer, and how the connection ended."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> dict[str, Any]:
        """The body of an error."""
        assert self.headers["content-type"] == "application/problem+json", self.headers
        found: dict[str, Any] = json.loads(self.body)
        return found


def request(method: str, path: str, *headers: str, body: bytes = b"") -> bytes:
    """A request as bytes."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def heard(connection: socket.socket) -> Heard:
    """The answer on a connection that the other end closes afterwards; status 0 where it says nothing."""
    said = b""
    while piece := connection.recv(65536):
        said += piece
    head, _, body = said.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    status = re.match(r"HTTP/1.1 (\d+)", lines[0])
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
    return Heard(int(status[1]) if status else 0, headers, body)


@contextmanager
def on_the_wire(app: Any, shedding: Shedding | None = None, **limits: Any) -> Iterator[Wire]:
    """Serve an application whose lifespan is somebody else's."""
    with open_listener("127.0.0.1", 0) as listener:
        config = config_of(app, ConnectionLimits(**limits), shedding)
        config.lifespan = "off"
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                time.sleep(0.005)
            yield Wire(listener.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join()

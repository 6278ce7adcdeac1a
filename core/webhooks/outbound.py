"""One POST to somebody's server: to an address that was checked, within a time, and without going on anywhere else.

The name is looked up once, every address that it has is checked, and the connection goes to one of those: a name that
means something else a moment later changes nothing. TLS and Host keep the name.
"""

import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from core.domain.errors import AddressRefusedError
from core.webhooks.address import WebhookAddress
from core.webhooks.guard import AddressGuard

Resolve = Callable[[str, int], Sequence[str]]
"""Every IP address of a host; raises OSError where it has none."""
Connect = Callable[[str, int, float], socket.socket]
"""A connection to an IP address and port, within seconds."""
CONNECT_SECONDS = 5.0
WHOLE_SECONDS = 15.0
"""For all of it after the name was looked up, however slowly the other side drips."""
_MOST_TRIES = 3


@dataclass(frozen=True)
class Outcome:
    """What became of an attempt.

    Attributes:
        status: the answer's, where there was one. Nothing else of it is read.
        code: empty where it was taken; otherwise why not.
    """

    status: int | None = None
    code: str = ""

    @property
    def taken(self) -> bool:
        """Whether the receiver has it."""
        return not self.code

    @property
    def final(self) -> bool:
        """Whether no other attempt is wanted: the receiver says that it is gone for good."""
        return self.status == HTTPStatus.GONE


def resolve(host: str, port: int) -> list[str]:
    """As this machine resolves names."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(place[0]) for *_, place in found))


def connect(address: str, port: int, seconds: float) -> socket.socket:
    """Over TCP."""
    return socket.create_connection((address, port), seconds)


@dataclass(frozen=True)
class Outbound:
    """How to reach other servers.

    Attributes:
        guard: which.
        resolve: looks names up.
        connect: opens connections.
        context: of TLS; None: certificates are checked as everywhere.
        seconds: for one attempt.
    """

    guard: AddressGuard
    resolve: Resolve = resolve
    connect: Connect = connect
    context: ssl.SSLContext | None = None
    seconds: float = WHOLE_SECONDS

    def post(self, address: WebhookAddress, headers: Mapping[str, str], body: bytes) -> Outcome:
        """Send JSON. Whatever goes wrong is an outcome, and no error.

        Args:
            address: where.
            headers: beside those that every request has.
            body: the JSON.
        """
        try:
            resolved = self.resolve(address.host, address.port)
        except (OSError, UnicodeError):
            return Outcome(code="name_not_found")
        try:
            self.guard.check_reached(address, resolved)
        except AddressRefusedError:
            return Outcome(code=AddressRefusedError.code)
        with _Deadline(self.seconds) as deadline:
            try:
                status = self._exchange(address, resolved, headers, body, deadline)
            except (OSError, http.client.HTTPException, ValueError) as error:
                return Outcome(code="timeout" if deadline.over else _code_of(error))
            # An answer that was cut off in its headers reads like a whole one.
            return Outcome(code="timeout") if deadline.over else Outcome(status, _code_of_status(status))

    def _exchange(
        self,
        address: WebhookAddress,
        resolved: Sequence[str],
        headers: Mapping[str, str],
        body: bytes,
        deadline: "_Deadline",
    ) -> int:
        connection = http.client.HTTPConnection(address.host, address.port)
        connection.auto_open = 0  # by itself it would look the name up again
        connection.sock = self._connected(address, resolved, deadline)
        try:
            connection.putrequest("POST", address.target, skip_host=True, skip_accept_encoding=True)
            own = {"Host": address.host_header, "User-Agent": "Heirloom", "Connection": "close"}
            told = {"Content-Type": "application/json", "Content-Length": str(len(body))}
            for name, value in (own | told | dict(headers)).items():
                connection.putheader(name, value)
            connection.endheaders(body)
            with connection.getresponse() as response:
                return response.status
        finally:
            connection.close()

    def _connected(self, address: WebhookAddress, resolved: Sequence[str], deadline: "_Deadline") -> socket.socket:
        last: OSError = OSError("there is no address")
        for one in resolved[:_MOST_TRIES]:
            try:
                opened = self.connect(one, address.port, min(CONNECT_SECONDS, deadline.left))
            except OSError as error:
                last = error
                continue
            deadline.holds(opened)
            opened.settimeout(self.seconds)
            if address.scheme == "http":
                return opened
            context = self.context or ssl.create_default_context()
            wrapped = context.wrap_socket(opened, server_hostname=address.host, do_handshake_on_connect=False)
            deadline.holds(wrapped)
            wrapped.do_handshake()
            return wrapped
        raise last


class _Deadline:
    """Ends a connection when its time is over: timeouts of sockets begin anew with every byte."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self._held: socket.socket | None = None
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self.over = False

    def __enter__(self) -> "_Deadline":
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        with self._lock:
            held, self._held = self._held, None
        if held is not None:
            held.close()

    @property
    def left(self) -> float:
        """Seconds; a little at least, for no timeout at all is what 0 means to a socket."""
        return max(self._end - time.monotonic(), 0.01)

    def holds(self, opened: socket.socket) -> None:
        with self._lock:
            self._held = opened
        if self.over:
            self._cut()

    def _cut(self) -> None:
        self.over = True
        with self._lock, contextlib.suppress(OSError):  # it may be closed already
            if self._held is not None:
                socket.socket.shutdown(self._held, socket.SHUT_RDWR)  # below TLS: whoever reads is to notice


def _code_of(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, ssl.SSLError):
        return "tls_failed"
    return "connection_failed" if isinstance(error, OSError) else "not_http"


def _code_of_status(status: int) -> str:
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return ""
    return "redirected" if status < HTTPStatus.BAD_REQUEST else "refused"

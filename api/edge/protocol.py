"""uvicorn's HTTP/1.1 with what it lacks: deadlines, a number of connections, an end for bodies that nobody wants.

A body that comes in too slowly is told to the application, which answers 408 as it answers every error. Where no
request has come to it, the connection answers itself.
"""

import asyncio
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import h11
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.flow_control import CLOSE_HEADER, HIGH_WATER_LIMIT
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from api.edge.bare_answers import whole_answer
from api.edge.limits import ConnectionLimits
from api.edge.shedding import Shedding
from api.edge.watch import Watch
from core.domain.errors import RequestTimeoutError

LINGER_SECONDS = 2.0
"""How long what is still being sent is read and dropped after the last answer: a connection that is closed while bytes
come in is reset, and the other end may lose the answer."""
MOST_HEADERS = 100
_RETRY_SECONDS = 5
_SMALL_BYTES = HIGH_WATER_LIMIT
"""Bodies that uvicorn takes in whole, whether they are asked for or not."""
_SLOW = (
    "The body came in too slowly, or not at all.",
    "Send it again over a faster connection, or as several smaller ones.",
)


def protocol_factory(limits: ConnectionLimits, shedding: Shedding | None) -> Callable[..., "EdgeProtocol"]:
    """What `uvicorn.Config(http=…)` makes a connection with; all of them share one watch."""
    return partial(EdgeProtocol, limits, Watch(limits), shedding)


class EdgeProtocol(H11Protocol):
    """One connection."""

    def __init__(
        self,
        limits: ConnectionLimits,
        watch: Watch,
        shedding: Shedding | None,
        **uvicorns: Any,  # noqa: ANN401  # handed on
    ) -> None:
        """As uvicorn makes it; see `H11Protocol`."""
        super().__init__(**uvicorns)
        self._limits = limits
        self._watch = watch
        self._shedding = shedding
        self._inner: ASGIApp = self.app
        self.app = self._run
        self._received_bytes = 0
        self._waited_seconds = 0.0
        self._silent_seconds = 0.0
        self._unsent_bytes = 0
        self._untaken_seconds = 0.0
        self._phase: tuple[object, object] = (None, None)
        self._too_slow = False
        self._lingers = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Somebody connects."""
        super().connection_made(transport)
        if not self._watch.enter(self, self.client[0] if self.client else ""):
            if self._watch.crowded:
                transport.abort()
                return
            self._say(503, "overloaded", "Too many connections are open.", "Come back later.", _RETRY_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed."""
        self._watch.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        if self._lingers:
            return
        self._received_bytes += len(data)
        self._silent_seconds = 0.0
        if self._shedding is not None and self._is_idle and (answer := self._shedding.answer(data)):
            self.transport.write(answer)
            self._unset_keepalive_if_required()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
            return
        super().data_received(data)

    @property
    def _is_idle(self) -> bool:
        """Whether nothing of a request is here, and none is being answered."""
        conn = self.conn
        return conn.their_state is h11.IDLE and conn.our_state is h11.IDLE and not conn.trailing_data[0]

    def look(self, seconds: float) -> None:
        """See `Watched.look`."""
        phase = (self.conn.their_state, self.cycle)
        if phase != self._phase:
            self._phase = phase
            self._begin_phase()
        if self._lingers or self.transport.is_closing():
            self._look_at_end(seconds)
        elif self.conn.their_state is h11.IDLE:
            self._look_at_headers(seconds)
        elif self.conn.their_state is h11.SEND_BODY:
            self._look_at_body(seconds)
        self._look_at_answer(seconds)

    def _begin_phase(self) -> None:
        self._waited_seconds = self._silent_seconds = 0.0
        self._received_bytes = 0

    def _look_at_headers(self, seconds: float) -> None:
        if self.timeout_keep_alive_task is not None:  # between two requests: uvicorn's own timer
            return
        self._waited_seconds += seconds
        if self._waited_seconds <= self._limits.header_seconds:
            return
        if self.conn.trailing_data[0]:
            detail = f"The request's headers were not here within {self._limits.header_seconds:g} seconds."
            self._say(408, RequestTimeoutError.code, detail, "Send the request in one go.")
        else:  # browsers connect in advance: whoever asked nothing is told nothing
            self.transport.close()

    def _look_at_body(self, seconds: float) -> None:
        if self.flow.read_paused or self.cycle.waiting_for_100_continue:
            return  # it is we who do not take it
        self._waited_seconds += seconds
        self._silent_seconds += seconds
        counted_seconds = self._waited_seconds - self._limits.stall_seconds
        lags = counted_seconds * self._limits.body_bytes_per_second > self._received_bytes
        if self._silent_seconds <= self._limits.stall_seconds and not lags:
            return
        if self.cycle.response_started:
            self.transport.abort()
            return
        self._too_slow = True
        self.cycle.message_event.set()

    def _look_at_end(self, seconds: float) -> None:
        if not self.transport.get_write_buffer_size():
            self._waited_seconds += seconds
            if self._waited_seconds > LINGER_SECONDS:
                self.transport.abort()

    def _look_at_answer(self, seconds: float) -> None:
        unsent = self.transport.get_write_buffer_size()
        if not unsent or unsent != self._unsent_bytes:
            self._unsent_bytes, self._untaken_seconds = unsent, 0.0
            return
        self._untaken_seconds += seconds
        if self._untaken_seconds > self._limits.stall_seconds:
            self.transport.abort()

    async def _run(self, scope: Scope, receive: Receive, send: Send) -> None:
        cycle = self.cycle
        self._too_slow = False
        if len(scope["headers"]) > MOST_HEADERS:
            self._say(431, "headers_too_large", f"More than {MOST_HEADERS} headers were sent.", "Send fewer.")
            return
        # h11 measures what it cannot read yet, and not what came in one piece.
        if self._received_bytes > self._limits.header_bytes and _size(scope) > self._limits.header_bytes:
            self._headers_too_large()
            return
        if not cycle.more_body:  # it is here as a whole: there is nothing to wait for
            await self._inner(scope, receive, send)
            return
        if _is_small(scope) and not cycle.waiting_for_100_continue:
            await self._until_whole(cycle)
            if self._too_slow:
                self._say(408, RequestTimeoutError.code, *_SLOW)
                return

        async def receive_in_time() -> Message:
            message: Message = await receive()
            if self._too_slow and message["type"] == "http.request":
                raise RequestTimeoutError(*_SLOW)
            return message

        async def send_and_close(message: Message) -> None:
            if message["type"] == "http.response.start" and cycle.more_body:
                # Nobody will read the rest of the body; its end, where the next request would begin, may never come.
                message = {**message, "headers": [*message.get("headers", []), CLOSE_HEADER]}
                cycle.transport = _LingeringTransport(self)  # type: ignore[assignment]  # all of it that a cycle uses
            await send(message)

        await self._inner(scope, receive_in_time, send_and_close)

    async def _until_whole(self, cycle: RequestResponseCycle) -> None:
        """Small bodies come in before anything else is asked: whoever stalls then holds nothing but a connection."""
        while cycle.more_body and not self._too_slow and not cycle.disconnected:
            cycle.message_event.clear()
            await cycle.message_event.wait()

    def send_400_response(self, msg: str) -> None:
        """For what is not HTTP; uvicorn calls it where h11 has said what is wrong with it."""
        error = sys.exception()
        if self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete:
            self.transport.abort()  # in the middle of an answer: nothing can be said any more
        elif isinstance(error, h11.RemoteProtocolError) and error.error_status_hint == 431:
            self._headers_too_large()
        else:
            self._say(400, "malformed_request", msg, "Send HTTP/1.1.")

    def on_response_complete(self) -> None:
        """An answer is out."""
        if self._lingers:
            self.server_state.total_requests += 1
        else:
            super().on_response_complete()

    def shutdown(self) -> None:
        """The server stops."""
        if self._lingers:
            self.transport.abort()
        else:
            super().shutdown()

    def _headers_too_large(self) -> None:
        most = f"{self._limits.header_bytes // 1024} KiB"
        self._say(431, "headers_too_large", f"The headers are larger than {most}.", "Send less.")

    def _say(self, status: int, code: str, detail: str, advice: str, retry_seconds: int = 0) -> None:
        """Answer without the application, and close."""
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        https = self._limits.https
        answer = whole_answer(status, code, detail, advice, https=https, retry_seconds=retry_seconds)
        self.transport.write(answer)
        self.linger()

    def linger(self) -> None:
        """Close, but not on bytes that are still coming."""
        if self._lingers or self.transport.is_closing():
            return
        self._lingers = True
        self._begin_phase()
        self._unset_keepalive_if_required()
        self.transport.write_eof()
        self.transport.resume_reading()


class _LingeringTransport:
    """What a request's cycle needs of a transport, with another end."""

    def __init__(self, protocol: EdgeProtocol) -> None:
        self.write = protocol.transport.write
        self.is_closing = protocol.transport.is_closing
        self.close = protocol.linger


def _size(scope: Scope) -> int:
    return len(scope["raw_path"]) + len(scope["query_string"]) + sum(len(n) + len(v) for n, v in scope["headers"])


def _is_small(scope: Scope) -> bool:
    length: bytes = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
    return length.isdigit() and int(length) <= _SMALL_BYTES

"""uvicorn as `heirloom serve` runs it: the API stops, then the worker is drained; told twice, all ends at once."""

import os
import signal
import socket
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import uvicorn

from api.edge.limits import ConnectionLimits
from api.edge.protocol import protocol_factory
from api.edge.shedding import Shedding
from cli.worker_process import WorkerProcess

LAST_ANSWERS_SECONDS = 10
"""How long requests that are being answered may take once the server stops."""
STOPPED_AT_ONCE = 130
_SWITCH_SECONDS = 0.0005
"""How long a thread may compute while others wait for their turn; Python's own 5 ms are what slow answers wait for."""


def serve(
    app: Any,  # noqa: ANN401  # any ASGI application
    listener: socket.socket,
    worker: WorkerProcess | None,
    begin: Callable[[], None],
    end: Callable[[], None],
    limits: ConnectionLimits,
    shedding: Shedding | None = None,
) -> None:
    """Answer requests until told to stop, then drain the worker.

    Args:
        app: the ASGI application.
        listener: a bound socket.
        worker: drained at the end; `begin` may start it.
        begin: called once, when requests are answered.
        end: called once, before the last answers are waited for: those that would go on for long can stop.
        limits: of each connection.
        shedding: how reads are refused in an overload; None: as all others.
    """
    sys.setswitchinterval(_SWITCH_SECONDS)
    server = _Server(config_of(app, limits, shedding), worker, begin, end)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, server.handle_exit)  # uvicorn has its own only while it runs; the drain comes after
    try:
        server.run(sockets=[listener])
    finally:
        if worker is not None:
            worker.stop()


def config_of(
    app: Any,  # noqa: ANN401  # any ASGI application
    limits: ConnectionLimits,
    shedding: Shedding | None = None,
) -> uvicorn.Config:
    """How uvicorn serves an application here."""
    return uvicorn.Config(
        app,
        log_config=None,  # ours is there already
        access_log=False,  # the API writes a line for each request, with its id
        server_header=False,
        timeout_graceful_shutdown=LAST_ANSWERS_SECONDS,
        http=protocol_factory(limits, shedding),  # type: ignore[arg-type]  # uvicorn calls it, and asks no more of it
        ws="none",
        proxy_headers=False,  # who a caller is, said by a header: uvicorn would believe it of this whole machine
        timeout_keep_alive=limits.keep_alive_seconds,  # type: ignore[arg-type]  # the loop's timers take fractions
        h11_max_incomplete_event_size=limits.header_bytes,
    )


class _Server(uvicorn.Server):
    """uvicorn's server, which says when it answers, and ends at once when it is told to stop a second time."""

    def __init__(
        self,
        config: uvicorn.Config,
        worker: WorkerProcess | None,
        begin: Callable[[], None],
        end: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self._worker = worker
        self._begin = begin
        self._end = end

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._end()
        await super().shutdown(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._begin()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  # uvicorn's signature
        # uvicorn would raise the signal again after its last answer, and SIGTERM would end us before the drain.
        if self.should_exit:
            if self._worker is not None:
                self._worker.kill()
            os._exit(STOPPED_AT_ONCE)
        self.should_exit = True

"""`Prefer: wait=N` (RFC 7240): an answer that is sent when the job has ended, or when the time is up."""

import re
from collections.abc import Callable

import anyio
from fastapi.responses import Response
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from api.edge.admission import Room
from api.edge.gate import PLACE

_WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?(\d{1,6})\"?\s*(?=[,;]|$)", re.IGNORECASE)
_FIRST_LOOK_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 1.0


def wanted_seconds(prefer: str, most: int) -> int:
    """How long a caller would wait, by the header `Prefer`; 0 where it says nothing of it."""
    found = _WAIT.search(prefer)
    return min(int(found[1]), most) if found is not None else 0


class WaitingResponse(Response):
    """Looks again and again, without holding a thread or a transaction meanwhile."""

    def __init__(
        self,
        otherwise: Response,
        look: Callable[[], BaseModel | None],
        seconds: int,
        stopping: Callable[[], bool],
        room: Room,
    ) -> None:
        """Wait.

        Args:
            otherwise: what is answered when the time is up.
            look: gives the result once it is there; it blocks.
            seconds: at most.
            stopping: whether the server is about to end: then the time is up.
            room: where no seat is free, nothing is waited for: `Prefer` is a wish.
        """
        super().__init__(bytes(otherwise.body), otherwise.status_code, dict(otherwise.headers))
        self._look = look
        self._seconds = seconds
        self._stopping = stopping
        self._room = room

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait, then answer."""
        if not self._room.sit():
            await super().__call__(scope, receive, send)
            return
        if PLACE in scope["state"]:
            scope["state"][PLACE].give_back()  # whoever waits does no work
        response: Response | None = None
        try:
            with anyio.move_on_after(self._seconds):
                response = await self._result()
        finally:
            self._room.rise()
        self.headers["Preference-Applied"] = f"wait={self._seconds}"
        if response is None:
            await super().__call__(scope, receive, send)
        else:
            await response(scope, receive, send)

    async def _result(self) -> Response | None:
        pause = _FIRST_LOOK_SECONDS
        while not self._stopping():
            await anyio.sleep(pause)
            found = await run_in_threadpool(self._look)
            if found is not None:
                headers = {"Location": self.headers["Location"], "Preference-Applied": f"wait={self._seconds}"}
                return Response(found.model_dump_json(), 200, headers, "application/json")
            pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)
        return None

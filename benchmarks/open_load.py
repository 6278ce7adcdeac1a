"""Requests at a rate of their own, however long the answers take: what arrives at a service does not wait for it."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.load import Load

MOST_CONNECTIONS = 700
"""Beneath `HEIRLOOM_MAX_CONNECTIONS`: what is measured is what becomes of requests."""


@dataclass(frozen=True)
class OpenLoad:
    """What became of the requests.

    Attributes:
        accepted: those that were answered as hoped; seconds from the moment at which each was due.
        refused: those that were answered 429 or 503.
        other: answers of other kinds, connections that broke, and those for which no connection was free.
    """

    accepted: Load
    refused: Load
    other: int


def put_open_load(
    port: int, requests: Callable[[int], bytes], per_second: float, seconds: float, warm_seconds: float, expected: int
) -> OpenLoad:
    """Send requests to 127.0.0.1, evenly, each on a connection that is free or new.

    Args:
        port: of the server.
        requests: number → the whole request as bytes, keep-alive.
        per_second: how many.
        seconds: for how long, all in all.
        warm_seconds: those that are due in the first so many seconds are not counted.
        expected: HTTP's status of an answer as hoped.
    """
    return asyncio.run(_Sender(port, requests, expected).send(per_second, seconds, warm_seconds))


class _Sender:
    def __init__(self, port: int, requests: Callable[[int], bytes], expected: int) -> None:
        self._port = port
        self._requests = requests
        self._expected = expected
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._open = 0
        self._accepted: list[float] = []
        self._refused: list[float] = []
        self._other = 0

    async def send(self, per_second: float, seconds: float, warm_seconds: float) -> OpenLoad:
        loop = asyncio.get_running_loop()
        began = time.perf_counter()
        tasks: set[asyncio.Task[None]] = set()
        for number in range(int(per_second * seconds)):
            due = began + number / per_second
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            task = loop.create_task(self._one(number, due, counted=due - began >= warm_seconds))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)
        for _, writer in self._free:
            writer.close()
        counted_seconds = seconds - warm_seconds
        accepted, refused = Load(tuple(self._accepted), counted_seconds), Load(tuple(self._refused), counted_seconds)
        return OpenLoad(accepted, refused, self._other)

    async def _one(self, number: int, due: float, *, counted: bool) -> None:
        try:
            status = await self._answered(self._requests(number))
        except (OSError, asyncio.IncompleteReadError):
            status = 0
        seconds = time.perf_counter() - due
        if not counted:
            return
        if status == self._expected:
            self._accepted.append(seconds)
        elif status in (429, 503):
            self._refused.append(seconds)
        else:
            self._other += 1

    async def _answered(self, payload: bytes) -> int:
        if not self._free and self._open >= MOST_CONNECTIONS:
            return 0
        self._open += not self._free
        keep = False
        reader, writer = self._free.pop() if self._free else await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(payload)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = next((int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:")), 0)
            await reader.readexactly(length)
            keep = b"connection: close" not in head
            return int(head[9:12])
        finally:
            if keep:
                self._free.append((reader, writer))
            else:
                self._open -= 1
                writer.close()

"""Requests on several connections, and how long each took; written close to the socket, to cost little itself."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Load:
    """What a server did under load.

    Attributes:
        seconds: of each request, from its first byte sent to its answer's last.
        wall_seconds: from the first request to the last answer.
    """

    seconds: tuple[float, ...]
    wall_seconds: float

    @property
    def per_second(self) -> float:
        """Requests answered in a second."""
        return len(self.seconds) / self.wall_seconds

    def quantile(self, q: float) -> float:
        """The seconds that a part q of the requests did not exceed."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def put_load(port: int, requests: Callable[[int], bytes], count: int, connections: int, expected: int) -> Load:
    """Send requests to 127.0.0.1, each connection one after the other.

    Args:
        port: of the server.
        requests: number → the whole request as bytes, keep-alive.
        count: of requests.
        connections: how many at once.
        expected: HTTP's status of every answer.

    Raises:
        RuntimeError: another status came back.
    """
    return asyncio.run(_all(port, requests, count, connections, expected))


async def _all(port: int, requests: Callable[[int], bytes], count: int, connections: int, expected: int) -> Load:
    seconds: list[float] = []
    numbers = iter(range(count))

    async def one_connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            for number in numbers:
                payload = requests(number)
                began = time.perf_counter()
                writer.write(payload)
                await writer.drain()
                await _answer(reader, expected)
                seconds.append(time.perf_counter() - began)
        finally:
            writer.close()
            await writer.wait_closed()

    began = time.perf_counter()
    await asyncio.gather(*(one_connection() for _ in range(connections)))
    return Load(tuple(seconds), time.perf_counter() - began)


async def _answer(reader: asyncio.StreamReader, expected: int) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head[9:12])
    lines = head.lower().split(b"\r\n")
    length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
    body = await reader.readexactly(length)
    if status != expected:
        raise RuntimeError(f"{status} instead of {expected}: {body[:300]!r}")

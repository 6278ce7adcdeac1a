"""How fast the API is beside a bare FastAPI application, in the same run; how fast it starts; what it holds when idle.

    python -m benchmarks.api [--requests 2000] [-o benchmarks/out/api.csv]

Uploads of 300 kB, each of other bytes, and polls of a queued job, on eight connections. The two servers run one after
the other in turns, so that what disturbs the machine disturbs both. Embedded: SQLite, blobs in a folder, no worker.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import httpx
import typer

from benchmarks.load import Load, put_load
from benchmarks.rows import Rows, machine
from cli.demo_pictures import demo_photo
from cli.listening import open_listener
from core.imaging.intake import encode

UPLOAD_BYTES = 300_000
CONNECTIONS = 8
TURNS = 4
STARTS = 5
_BOUNDARY = b"heirloom-benchmark"
_SMALL_ENOUGH = {"HEIRLOOM_MAX_QUEUED_JOBS": "1000000"}


def upload_request(path: str, photo: bytes) -> Callable[[int], bytes]:
    """Multipart uploads of a PNG: the same picture, padded to size after its end, other bytes each time."""

    def request(number: int) -> bytes:
        salt = f"{number:016d}{time.time_ns():020d}".encode()
        content = photo + bytes(UPLOAD_BYTES - len(photo) - len(salt)) + salt
        part = b'Content-Disposition: form-data; name="file"; filename="photo.png"\r\nContent-Type: image/png\r\n\r\n'
        body = b"--" + _BOUNDARY + b"\r\n" + part + content + b"\r\n--" + _BOUNDARY + b"--\r\n"
        kind = b"multipart/form-data; boundary=" + _BOUNDARY
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\nContent-Type: "
        return head.encode() + kind + b"\r\n\r\n" + body

    return request


def poll_request(path: str) -> Callable[[int], bytes]:
    """Polls, all the same."""
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    return lambda _number: request


@contextmanager
def started(command: list[str], port: int, probe: str, environment: dict[str, str]) -> Iterator[tuple[int, float]]:
    """A server process: its pid, and the seconds from its start to its first answer."""
    began = time.perf_counter()
    with subprocess.Popen(command, env={**os.environ, **environment}, stderr=subprocess.DEVNULL) as process:  # noqa: S603  # our own
        try:
            while True:
                if process.poll() is not None:
                    raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
                try:
                    httpx.get(f"http://127.0.0.1:{port}{probe}", timeout=5)
                    break
                except httpx.TransportError:
                    time.sleep(0.005)
            yield process.pid, time.perf_counter() - began
        finally:
            process.terminate()


@contextmanager
def ours(home: Path) -> Iterator[tuple[int, int, float]]:
    """`heirloom serve` without a worker: port, pid, seconds to the first answer."""
    port = _free_port()
    command = [sys.executable, "-m", "cli", "serve", "--no-worker", "--port", str(port)]
    environment = {"HEIRLOOM_HOME": str(home), **_SMALL_ENOUGH}
    with started(command, port, "/livez", environment) as (pid, seconds):
        yield port, pid, seconds


@contextmanager
def bare(answer: Path, folder: Path | None) -> Iterator[int]:
    """The bare application: its port."""
    port = _free_port()
    command = [sys.executable, "-m", "benchmarks.bare_api", str(port), str(answer), *([str(folder)] if folder else [])]
    with started(command, port, "/poll", {}):
        yield port


def resident_bytes(pid: int) -> int:
    """What a process holds in memory now (Linux)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def queued_job(port: int, photo: bytes) -> str:
    """Put a job into the queue; its path. Nobody will take it."""
    answer = httpx.post(f"http://127.0.0.1:{port}/v1/restorations", files={"file": ("photo.png", photo)}, timeout=30)
    return f"/v1/jobs/{answer.raise_for_status().json()['id']}"


def main(
    requests: Annotated[int, typer.Option(min=80, help="Of each kind, to each server.")] = 2_000,
    output: Annotated[Path, typer.Option("-o", help="A CSV; rows are added.")] = Path("benchmarks/out/api.csv"),
) -> None:
    """Measure, print, and add rows to the CSV."""
    photo = encode(demo_photo().original[:96, :96])
    with tempfile.TemporaryDirectory(prefix="heirloom-bench-") as folder:
        starts, idle = _starts(Path(folder) / "starts")
        loads = _loads(Path(folder), photo, requests)
    rows = Rows(output, key=("measured_at", "what", "server"))
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    for (what, server), load in loads.items():
        rows.add({"measured_at": at, "what": what, "server": server, **_numbers(load), **machine()})
    typer.echo(
        f"start to first answer: {statistics.median(starts):.2f} s (median of {STARTS}), idle {idle / 1e6:.0f} MB"
    )
    for what in ("upload", "poll"):
        for server in ("bare", "bare, durable", "heirloom"):
            typer.echo(_line(what, server, loads[what, server], loads[what, "heirloom"]))


def _starts(home: Path) -> tuple[list[float], int]:
    seconds = []
    for number in range(STARTS + 1):
        with ours(home) as (_, pid, taken):
            if number:  # the first one makes the database
                seconds.append(taken)
            time.sleep(1.0)
            idle = resident_bytes(pid)
    return seconds, idle


def _loads(folder: Path, photo: bytes, requests: int) -> dict[tuple[str, str], Load]:
    answer, durable = folder / "answer.json", folder / "durable"
    durable.mkdir()
    taken: dict[tuple[str, str], list[Load]] = {}
    with ours(folder / "home") as (port, _, _):
        job = queued_job(port, photo)
        answer.write_text(json.dumps(httpx.get(f"http://127.0.0.1:{port}{job}").json()))
        with bare(answer, None) as bare_port, bare(answer, durable) as durable_port:
            plans: list[tuple[str, str, int, Callable[[int], bytes], int]] = [
                ("upload", "bare", bare_port, upload_request("/upload", photo), 201),
                ("upload", "bare, durable", durable_port, upload_request("/upload", photo), 201),
                ("upload", "heirloom", port, upload_request("/v1/files", photo), 201),
                ("poll", "bare", bare_port, poll_request("/poll"), 200),
                ("poll", "bare, durable", durable_port, poll_request("/poll"), 200),
                ("poll", "heirloom", port, poll_request(job), 200),
            ]
            for turn in range(TURNS + 1):
                for what, server, at, request, status in plans:
                    load = put_load(at, request, requests // TURNS, CONNECTIONS, status)
                    if turn:  # the first one warms up
                        taken.setdefault((what, server), []).append(load)
    return {key: _joined(loads) for key, loads in taken.items()}


def _joined(loads: list[Load]) -> Load:
    return Load(tuple(second for load in loads for second in load.seconds), sum(load.wall_seconds for load in loads))


def _numbers(load: Load) -> dict[str, float]:
    milliseconds = {f"p{q:g}_ms": round(1000 * load.quantile(q / 100), 2) for q in (50, 99)}
    return {"requests": len(load.seconds), "per_second": round(load.per_second, 1), **milliseconds}


def _line(what: str, server: str, load: Load, heirloom: Load) -> str:
    beside = f"; heirloom: {heirloom.per_second / load.per_second:.0%} of its requests, p99 × " + (
        f"{heirloom.quantile(0.99) / load.quantile(0.99):.2f}"
    )
    numbers = f"{load.per_second:7.1f} requests/s, p50 {1000 * load.quantile(0.5):.1f} ms, p99 "
    return f"{what:<7} {server:<14} {numbers}{1000 * load.quantile(0.99):.1f} ms" + (
        "" if server == "heirloom" else beside
    )


def _free_port() -> int:
    with open_listener("127.0.0.1", 0) as probe:
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    typer.run(main)

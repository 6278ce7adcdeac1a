"""What becomes of an overload: four times as many requests as the API can answer, and how those fare that it takes on.

    python -m benchmarks.overload [--seconds 15] [--factor 4] [-o benchmarks/out/overload.csv]

First the capacity, by as many connections as are worked on at once, each sending when it was answered; then `factor`
times as many requests in each second, whatever is answered (an open loop). Sender and server share this machine's
cores: the figures are worse than a caller from outside would see. Embedded: SQLite, blobs in a folder, no worker.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.api import ours, poll_request, queued_job, resident_bytes, upload_request
from benchmarks.load import Load, put_load
from benchmarks.open_load import OpenLoad, put_open_load
from benchmarks.rows import Rows, machine
from cli.demo_pictures import demo_photo
from core.imaging.intake import encode
from core.settings import Settings

WARM_SECONDS = 3.0
"""A burst waits a moment before it is an overload: see `api/edge/admission.py`."""
_CAPACITY_REQUESTS = {"poll": 4_000, "upload": 1_000}


def main(
    seconds: Annotated[float, typer.Option(min=5, help="Of overload, of each kind.")] = 15.0,
    factor: Annotated[float, typer.Option(min=1, help="Times the capacity.")] = 4.0,
    output: Annotated[Path, typer.Option("-o", help="A CSV; rows are added.")] = Path("benchmarks/out/overload.csv"),
) -> None:
    """Measure, print, and add rows to the CSV."""
    photo = encode(demo_photo().original[:96, :96])
    rows = Rows(output, key=("measured_at", "what"))
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    with tempfile.TemporaryDirectory(prefix="heirloom-bench-") as folder, ours(Path(folder) / "home") as (port, pid, _):
        chosen = Settings(home=Path(folder))
        plans: list[tuple[str, Callable[[int], bytes], int, int]] = [
            ("poll", poll_request(queued_job(port, photo)), chosen.max_reads_in_hand, 200),
            ("upload", upload_request("/v1/files", photo), chosen.max_writes_in_hand, 201),
        ]
        for what, request, connections, status in plans:
            count = _CAPACITY_REQUESTS[what]
            put_load(port, request, count // 4, connections, status)  # warms up
            capacity = put_load(port, request, count, connections, status)
            before = resident_bytes(pid)
            found = put_open_load(port, request, factor * capacity.per_second, seconds, WARM_SECONDS, status)
            grown = resident_bytes(pid) - before
            rows.add({"measured_at": at, "what": what, **_numbers(factor, capacity, found, grown), **machine()})
            _tell(what, factor, capacity, found, grown)


def _numbers(factor: float, capacity: Load, found: OpenLoad, grown: int) -> dict[str, float]:
    return {
        "factor": factor,
        "capacity_per_second": round(capacity.per_second, 1),
        "capacity_p99_ms": _milliseconds(capacity, 0.99),
        "accepted_per_second": round(found.accepted.per_second, 1),
        "accepted_p50_ms": _milliseconds(found.accepted, 0.5),
        "accepted_p99_ms": _milliseconds(found.accepted, 0.99),
        "refused": len(found.refused.seconds),
        "refused_p50_ms": _milliseconds(found.refused, 0.5),
        "refused_p99_ms": _milliseconds(found.refused, 0.99),
        "other": found.other,
        "grown_mb": round(grown / 1e6, 1),
    }


def _milliseconds(load: Load, q: float) -> float:
    return round(1000 * load.quantile(q), 1) if load.seconds else float("nan")


def _tell(what: str, factor: float, capacity: Load, found: OpenLoad, grown: int) -> None:
    numbers = _numbers(factor, capacity, found, grown)
    ratio = numbers["accepted_p99_ms"] / numbers["capacity_p99_ms"]
    typer.echo(
        f"{what:<7} capacity {numbers['capacity_per_second']:g}/s, p99 {numbers['capacity_p99_ms']:g} ms; "
        f"offered × {factor:g}: accepted {numbers['accepted_per_second']:g}/s, "
        f"p99 {numbers['accepted_p99_ms']:g} ms (× {ratio:.2f}); refused {numbers['refused']:,}, "
        f"p50 {numbers['refused_p50_ms']:g} ms, p99 {numbers['refused_p99_ms']:g} ms; other {found.other:,}; "
        f"memory {numbers['grown_mb']:+g} MB"
    )


if __name__ == "__main__":
    typer.run(main)

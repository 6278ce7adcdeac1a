"""`/metrics`: what Prometheus reads.

Requests are counted in this process. Everything else stands in the database and is asked for when somebody asks, at
most every few seconds: so several API processes tell the same, and workers need no port.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from core.db.session import Database
from core.services.figures import Figures, read_figures

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
NO_ROUTE = "none"
"""The label of requests that no route answers: their paths are anybody's, and would be labels without end."""
OTHER_METHOD = "other"
"""The label of methods that HTTP does not have: a caller could invent them without end."""
_METHODS = frozenset(["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"])
KEPT_SECONDS = 5.0
disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series beside each counter, of which nothing is read
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


def method_label(method: str) -> str:
    """A request's method as a label, and as a word in a log line."""
    return method if method in _METHODS else OTHER_METHOD


class Metrics:
    """Of one API process."""

    def __init__(self, database: Database, worker_life: timedelta) -> None:
        """Nothing is counted yet.

        Args:
            database: the service's.
            worker_life: a worker that was not heard of for so long is taken for gone.
        """
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "heirloom_requests", "Requests answered.", ("method", "route", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "heirloom_request_seconds",
            "From a request's headers to the last byte of its answer.",
            ("method", "route"),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._in_flight = Gauge("heirloom_requests_in_flight", "Requests being answered.", registry=self.registry)
        self.registry.register(_FromDatabase(database, worker_life))

    @contextmanager
    def in_flight(self) -> Iterator[None]:
        """Count a request as being answered inside the block."""
        with self._in_flight.track_inprogress():
            yield

    def answered(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """Count an answer.

        Args:
            method: of the request.
            route: its template, e.g. `/v1/jobs/{job_id}`, never its path; None where no route answers.
            status: HTTP's.
            seconds: it took.
        """
        label = method_label(method)
        self._requests.labels(label, route or NO_ROUTE, str(status)).inc()
        self._seconds.labels(label, route or NO_ROUTE).observe(seconds)

    def rendered(self) -> bytes:
        """In Prometheus' text format. Blocks: it asks the database."""
        return generate_latest(self.registry)


class _FromDatabase(Collector):
    def __init__(self, database: Database, worker_life: timedelta, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._worker_life = worker_life
        self._clock = clock
        self._lock = threading.Lock()
        self._read_at: float | None = None
        self._figures: Figures | None = None

    def describe(self) -> Iterable[Metric]:
        """Nothing in advance: registering must not ask the database."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """See prometheus-client's `Collector`."""
        figures = self._fresh()
        yield _one("heirloom_database_up", "Whether the database answers.", float(figures is not None))
        if figures is not None:
            yield from _families(figures)

    def _fresh(self) -> Figures | None:
        with self._lock:
            if self._read_at is None or self._clock() - self._read_at >= KEPT_SECONDS:
                try:
                    with self._database.read() as session:
                        self._figures = read_figures(session, self._worker_life)
                except SQLAlchemyError:
                    self._figures = None
                self._read_at = self._clock()
            return self._figures


def _families(figures: Figures) -> Iterator[Metric]:
    jobs = GaugeMetricFamily("heirloom_jobs", "Jobs that are kept.", labels=("kind", "status"))
    for (kind, status), count in figures.jobs.items():
        jobs.add_metric((kind, status), count)
    yield jobs
    open_jobs = {
        status: sum(n for (_, s), n in figures.jobs.items() if s == status) for status in ("queued", "running")
    }
    yield _one("heirloom_queue_depth", "Jobs that wait.", open_jobs["queued"])
    yield _one(
        "heirloom_queue_oldest_seconds", "How long a job waits that could be taken.", figures.oldest_queued_seconds
    )
    yield _one("heirloom_jobs_running", "Jobs in workers' hands.", open_jobs["running"])
    for name, about, numbers in (
        ("attempts", "Claims of the jobs that are kept.", figures.attempts),
        ("crashes", "Workers lost over the jobs that are kept.", figures.crashes),
        ("faults", "Errors that passed, over the jobs that are kept.", figures.faults),
    ):
        family = GaugeMetricFamily(f"heirloom_job_{name}", about, labels=("kind",))
        for kind, number in numbers.items():
            family.add_metric((kind,), number)
        yield family
    for name, choose in (("mean", lambda values: sum(values) / len(values)), ("max", max)):
        family = GaugeMetricFamily(
            f"heirloom_stage_seconds_{name}", f"Of the last jobs, the {name} by stage.", labels=("kind", "stage")
        )
        for (kind, stage), values in figures.stage_seconds.items():
            family.add_metric((kind, stage), choose(values))
        yield family
    yield _one("heirloom_job_memory_bytes_max", "On the device, of the last jobs.", figures.job_memory_bytes)
    yield from _worker_families(figures)
    for name, about, place in (("blobs", "Stored blobs.", 0), ("blob_bytes", "Stored bytes.", 1)):
        family = GaugeMetricFamily(f"heirloom_{name}", about, labels=("state",))
        for state, pair in figures.blobs.items():
            family.add_metric((state,), pair[place])
        yield family


def _worker_families(figures: Figures) -> Iterator[Metric]:
    states = GaugeMetricFamily("heirloom_workers", "Workers that are alive.", labels=("state", "device"))
    counted: dict[tuple[str, str], int] = {}
    for worker in figures.workers:
        counted[worker.state, worker.device] = counted.get((worker.state, worker.device), 0) + 1
    for labels, count in counted.items():
        states.add_metric(labels, count)
    yield states
    held = GaugeMetricFamily("heirloom_worker_jobs", "Jobs in this worker's hands.", labels=("worker",))
    measured = GaugeMetricFamily("heirloom_worker_memory_bytes", "As it measured.", labels=("worker", "device", "what"))
    for worker in figures.workers:
        held.add_metric((worker.name,), worker.jobs)
        for name, value in worker.numbers.items():
            if name.endswith("_bytes"):
                measured.add_metric((worker.name, worker.device, name.removesuffix("_bytes")), value)
    yield held
    yield measured


def _one(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(name, about, value=value)

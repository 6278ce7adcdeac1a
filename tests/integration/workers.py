"""Worker processes, started as an operator starts them, and ended whatever happens."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from core.db.tables import Job, Worker
from tests.benches import Bench

WAIT_SECONDS = 90.0
HEIRLOOM = "from cli.main import main; main()"
_INCLUDING = "from worker.app import app; app.conf.update(include=[*app.conf.include, '{}'])"


class Workers:
    """Worker processes of one database."""

    def __init__(self, home: Path, database_url: str, log: Path, **settings: str) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HEIRLOOM_")}
        self.environment = kept | {
            "HEIRLOOM_HOME": str(home),
            "HEIRLOOM_DATABASE_URL": database_url,
            "HEIRLOOM_PRIOR": "tiny",
            "HEIRLOOM_ACCEPT_RESEARCH_PRIOR": "1",
            "HEIRLOOM_DEVICE": "cpu",
            # Longer than a busy machine keeps a heartbeat waiting: see `wait_for_crash`.
            "HEIRLOOM_LEASE_SECONDS": "20",
            "HEIRLOOM_HEARTBEAT_SECONDS": "0.5",
            "HEIRLOOM_POLL_SECONDS": "0.3",
            "HEIRLOOM_REAP_SECONDS": "0.5",
            "OMP_NUM_THREADS": "1",
            **{f"HEIRLOOM_{name.upper()}": value for name, value in settings.items()},
        }
        self.log = log
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, *command: str, **settings: str) -> subprocess.Popen[bytes]:
        """Start `python COMMAND`, e.g. `-m worker`."""
        more = {f"HEIRLOOM_{name.upper()}": value for name, value in settings.items()}
        with self.log.open("ab") as log:
            process = subprocess.Popen(  # noqa: S603  # our own command
                [sys.executable, *command], env=self.environment | more, stdout=log, stderr=log, start_new_session=True
            )
        self.processes.append(process)
        return process

    def start_celery(self, broker_url: str, *, includes: str = "", **settings: str) -> subprocess.Popen[bytes]:
        """Start `heirloom worker` with a broker; Celery's child imports what it includes before it claims."""
        command = f"{_INCLUDING.format(includes)}; {HEIRLOOM}" if includes else HEIRLOOM
        return self.start("-c", command, "worker", broker_url=broker_url, **settings)

    def wait_for(self, condition: Callable[[], Any], what: str) -> Any:
        """Until a condition holds; what it gave."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not (found := condition()):
            ended = [process.returncode for process in self.processes if process.poll() not in (None, 0, -9)]
            if ended or time.monotonic() > deadline:
                raise AssertionError(f"{what} did not come; ended: {ended}\n{self.said()[-6000:]}")
            time.sleep(0.03)
        return found

    def said(self) -> str:
        """Everything they wrote."""
        return self.log.read_text() if self.log.exists() else ""

    def holder(self, bench: Bench, job: Job) -> subprocess.Popen[bytes]:
        """The process that has a job: the worker's own, or the parent of it."""
        name = bench.row(Worker, bench.job(job).worker_id).name
        pid = int(name.split("-")[-2])
        return next(process for process in self.processes if process.pid == os.getpgid(pid))

    def wait_for_crash(self, bench: Bench, job: Job) -> None:
        """Until a dead worker's job is back in the queue: neither for its lease nor for its turn it need wait."""
        bench.change(Job, job.id, lease_until=datetime.now(UTC) - timedelta(seconds=1))
        self.wait_for(lambda: bench.job(job).run_after is not None, "the reaper")
        bench.change(Job, job.id, run_after=None)

    def stop(self) -> None:
        """End them all at once, and be sure of it."""
        for process in self.processes:
            if process.poll() is None:
                kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """kill -9, children included."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=30)


def ended(bench: Bench, *jobs: Job) -> Callable[[], bool]:
    """Whether jobs are over, to be asked again and again."""
    return lambda: all(bench.job(job).finished_at for job in jobs)


def started(workers: Workers, count: int = 1) -> Callable[[], bool]:
    """Whether so many workers look for jobs, to be asked again and again."""
    return lambda: workers.said().count("worker_started") >= count


@contextmanager
def workers_on(home: Path, database_url: str, log: Path, **settings: str) -> Iterator[Workers]:
    """Workers that end with the block."""
    workers = Workers(home, database_url, log, **settings)
    try:
        yield workers
    finally:
        workers.stop()

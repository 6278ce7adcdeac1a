"""The whole service as processes of its own, started as an operator starts it."""

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import httpx
from sqlalchemy import update

from core.db.session import Database, now_of
from core.db.tables import Job
from core.priors.spec import WEIGHTS_FILE, LinearScheduleSpec, write_spec
from core.priors.weights import weights_bytes
from tests.fakes import tiny_prior

START_SECONDS = 60
RECIPES = [
    {"name": "tiny-direct", "mode": "direct", "restore": {"noise_steps": 40, "sampler": "dpm-solver++"}},
    {
        "name": "tiny-generative",
        "mode": "generative",
        "album": {"images": 3, "start_steps": 40, "sampler": "dpm-solver++", "sampler_steps": 5, "batch": 3},
        "finetune": {"iterations": 5, "batch": 2, "learning_rate": 1e-4},
        "restore": {"noise_steps": 40, "sampler": "dpm-solver++", "sampler_steps": 5},
    },
    {
        "name": "tiny-personal",
        "mode": "personal",
        "finetune": {"iterations": 10, "batch": 2, "learning_rate": 1e-4},
        "restore": {"noise_steps": 40, "sampler": "dpm-solver++", "sampler_steps": 5},
    },
    {
        "name": "endless-personal",
        "mode": "personal",
        "finetune": {"iterations": 100_000, "batch": 2, "learning_rate": 1e-6},
        "restore": {"noise_steps": 40},
    },
]


@dataclass
class Service:
    """A running service.

    Attributes:
        url: of its API.
        environment: of its processes.
        headers: that a caller sends: none, or a key.
        home: HEIRLOOM_HOME.
        processes: by what they are.
        log: what they all say.
    """

    url: str
    environment: dict[str, str]
    home: Path
    log: Path
    headers: dict[str, str] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def client(self) -> httpx.Client:
        """A caller."""
        return httpx.Client(base_url=self.url, headers=self.headers, timeout=60)

    def start(self, name: str, *arguments: str) -> None:
        """Start `heirloom ARGUMENTS`."""
        command = [sys.executable, "-c", "from cli.main import main; main()", *arguments]
        with self.log.open("ab") as log:
            self.processes[name] = subprocess.Popen(  # noqa: S603  # our own command
                command, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )

    def run(self, *arguments: str) -> str:
        """Run `heirloom ARGUMENTS` to its end, and give what it printed."""
        command = [sys.executable, "-c", "from cli.main import main; main()", *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)  # noqa: S603  # our own
        if done.returncode:
            raise RuntimeError(f"heirloom {' '.join(arguments)} ended with {done.returncode}: {done.stderr}")
        return done.stdout

    def wait_until_ready(self) -> None:
        """Until the API answers and a worker is alive."""
        deadline = time.monotonic() + START_SECONDS
        answer = "nothing"
        while time.monotonic() < deadline:
            for name, process in self.processes.items():
                if process.poll() is not None:
                    raise RuntimeError(f"{name} ended with {process.returncode}:\n{self.log.read_text()[-4000:]}")
            try:
                response = httpx.get(f"{self.url}/readyz", timeout=5)
                answer = response.text
                if response.status_code == httpx.codes.OK:
                    return
            except httpx.TransportError as error:
                answer = repr(error)
            time.sleep(0.1)
        raise RuntimeError(f"not ready after {START_SECONDS} s: {answer}\n{self.log.read_text()[-4000:]}")

    @property
    def workers(self) -> int:
        """How many it has: its own processes, or the one that `heirloom serve` keeps."""
        return max(1, len(self.processes) - 1)

    def let_leases_end(self) -> None:
        """What the clock does after the death of all workers, at once."""
        database = Database(self.environment.get("HEIRLOOM_DATABASE_URL", f"sqlite:///{self.home / 'heirloom.db'}"))
        with database.write() as session:
            over = now_of(session) - timedelta(seconds=1)
            session.execute(update(Job).where(Job.lease_until.is_not(None)).values(lease_until=over))
        database.close()

    def stop(self) -> None:
        """End every process, and be sure of it."""
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            try:
                process.wait(timeout=40)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def prepare_home(home: Path) -> None:
    """A tiny prior with a thousand noise steps, and recipes that take a second."""
    folder = home / "priors" / "tiny"
    folder.mkdir(parents=True)
    prior = tiny_prior(schedule=LinearScheduleSpec())
    weights = weights_bytes(prior.network.state_dict())
    (folder / WEIGHTS_FILE).write_bytes(weights)
    write_spec(folder, prior.spec.model_copy(update={"sha256": hashlib.sha256(weights).hexdigest()}))
    (home / "recipes.json").write_text(json.dumps(RECIPES))


def environment_of(home: Path, port: int, **more: str) -> dict[str, str]:
    """The settings of a service under test; nothing of the caller's own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HEIRLOOM_")}
    temporary = home.parent / "temporary"
    temporary.mkdir(exist_ok=True)
    return kept | {
        "TMPDIR": str(temporary),
        "HEIRLOOM_HOME": str(home),
        "HEIRLOOM_PRIOR": "tiny",
        "HEIRLOOM_RECIPES_FILE": str(home / "recipes.json"),
        "HEIRLOOM_PORT": str(port),
        "HEIRLOOM_DEVICE": "cpu",
        # Longer than a busy machine keeps a heartbeat waiting: see `let_leases_end`.
        "HEIRLOOM_LEASE_SECONDS": "20",
        "HEIRLOOM_HEARTBEAT_SECONDS": "1",
        "HEIRLOOM_POLL_SECONDS": "0.5",
        "HEIRLOOM_REAP_SECONDS": "1",
        "HEIRLOOM_WEBHOOK_NETWORKS": "127.0.0.0/8",
        "OMP_NUM_THREADS": "1",
        **more,
    }


@contextmanager
def embedded(folder: Path) -> Iterator[Service]:
    """`heirloom serve`, alone: SQLite, blobs in a folder, a worker as its child."""
    home = folder / "home"
    prepare_home(home)
    port = free_port()
    service = Service(f"http://127.0.0.1:{port}", environment_of(home, port), home, folder / "log.txt")
    try:
        service.start("api", "serve")
        service.wait_until_ready()
        yield service
    finally:
        service.stop()


@contextmanager
def server(folder: Path, database_url: str, broker_url: str, workers: int = 2) -> Iterator[Service]:
    """Postgres, Redis, an API and Celery workers, as the compose file starts them."""
    home = folder / "home"
    prepare_home(home)
    port = free_port()
    more = {
        "HEIRLOOM_DATABASE_URL": database_url,
        "HEIRLOOM_BROKER_URL": broker_url,
        "HEIRLOOM_ACCEPT_RESEARCH_PRIOR": "1",
    }
    service = Service(f"http://127.0.0.1:{port}", environment_of(home, port, **more), home, folder / "log.txt")
    try:
        service.run("db", "upgrade")
        key = json.loads(service.run("keys", "create", "--owner", "studio", "--name", "acceptance", "--json"))["key"]
        service.headers = {"Authorization": f"Bearer {key}"}
        service.start("api", "serve")
        for number in range(workers):
            service.start(f"worker-{number}", "worker")
        service.wait_until_ready()
        yield service
    finally:
        service.stop()

"""What a campaign runs on: private servers, small disks, the API as a process, and a home with a tiny prior."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from core.db.session import Database
from core.services import keys
from core.services.access import Scope
from migrations.run import upgrade
from tests.acceptance.service import environment_of, free_port, prepare_home
from tests.chaos import hooks
from tests.chaos.disk import Disk, can_mount, mounted
from tests.chaos.options import Mode, Options
from tests.chaos.recipes import write_recipes
from tests.servers import PostgresServer, RedisServer, postgres_folder, running_redis

START_SECONDS = 60.0
_HOME_MIB, _BLOBS_MIB, _POSTGRES_MIB = 512, 2048, 8192


@dataclass
class Site:
    """A service without its workers.

    Attributes:
        folder: of everything that the campaign writes.
        environment: of its processes.
        url: of the API.
        database_url: for whoever looks.
        headers: of a caller.
        postgres: the server; None when embedded.
        redis: the server; None when embedded.
        disks: that can be filled, by what lies there; empty where none can be mounted.
        api_ended: exit codes of APIs that ended by themselves.
    """

    folder: Path
    environment: dict[str, str]
    url: str
    database_url: str
    headers: dict[str, str] = field(default_factory=dict)
    postgres: PostgresServer | None = None
    redis: RedisServer | None = None
    disks: dict[str, Disk] = field(default_factory=dict)
    api_ended: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._api: subprocess.Popen[bytes] | None = None
        self._closing = threading.Event()
        self._killed: set[int] = set()

    @property
    def is_embedded(self) -> bool:
        """Whether there is no server."""
        return self.postgres is None

    def start_api(self) -> None:
        """Start it, begin it again whenever it ends, and wait until it answers."""
        threading.Thread(target=self._keep_api, name="api-keeper", daemon=True).start()
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if time.monotonic() > deadline:
                raise RuntimeError(f"the API does not answer; {self.folder / 'api.log'} says why")
            time.sleep(0.1)

    def kill_api(self) -> None:
        """kill -9."""
        process = self._api
        if process is not None and process.poll() is None:
            self._killed.add(process.pid)
            process.kill()

    def answers(self) -> bool:
        """Whether the API is alive."""
        try:
            return httpx.get(f"{self.url}/livez", timeout=5).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def close(self) -> None:
        """End the API."""
        self._closing.set()
        process = self._api
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _keep_api(self) -> None:
        command = [sys.executable, "-c", "from cli.main import main; main()", "serve", "--no-worker"]
        while not self._closing.is_set():
            with (self.folder / "api.log").open("ab") as log:
                self._api = process = subprocess.Popen(  # noqa: S603  # our own command
                    command, env=self.environment, stdout=log, stderr=log, process_group=0
                )
            code = process.wait()
            if not self._closing.is_set() and process.pid not in self._killed:
                # As an operator's supervisor: it does not start while the database is away, and is begun again.
                self.api_ended.append(code)
                time.sleep(0.5)


@contextmanager
def site_of(options: Options, folder: Path) -> Iterator[Site]:
    """Everything but the workers, for as long as the block lasts."""
    with ExitStack() as stack:
        home = folder / "home"
        disks = {}
        if can_mount():
            disks["home"] = stack.enter_context(mounted(home, _HOME_MIB))
        prepare_home(home)
        write_recipes(home)
        if options.mode is Mode.EMBEDDED:
            if disks:
                disks["blobs"] = stack.enter_context(mounted(home / "blobs", _BLOBS_MIB))
            home.chmod(0o700)
            yield from _open(stack, options, Site(folder, {}, "", f"sqlite:///{home / 'heirloom.db'}", disks=disks))
            return
        programs = postgres_folder()
        if programs is None:
            raise RuntimeError("Postgres' programs are not here (Debian: postgresql); --embedded needs none")
        place = Path("/dev/shm") / f"heirloom-chaos-{os.getpid()}"  # noqa: S108  # a folder of our own
        if disks:
            disks["blobs"] = stack.enter_context(mounted(place, _POSTGRES_MIB))
        else:
            place.mkdir()
            stack.callback(shutil.rmtree, place, ignore_errors=True)
        postgres = PostgresServer(place, programs)
        postgres.initialise()
        postgres.start()
        stack.callback(postgres.stop, signal.SIGQUIT)
        redis = stack.enter_context(running_redis())
        site = Site(folder, {}, "", postgres.create("chaos"), postgres=postgres, redis=redis, disks=disks)
        yield from _open(stack, options, site)


def _open(stack: ExitStack, options: Options, site: Site) -> Iterator[Site]:
    upgrade(site.database_url)
    port = free_port()
    lease = options.lease_seconds
    more = {
        "HEIRLOOM_LEASE_SECONDS": str(lease),
        "HEIRLOOM_HEARTBEAT_SECONDS": str(min(10.0, lease / 4)),
        "HEIRLOOM_REAP_SECONDS": str(min(5.0, lease / 8)),
        "HEIRLOOM_POLL_SECONDS": "10" if options.mode is Mode.CELERY else "0.5",
        "HEIRLOOM_DRAIN_SECONDS": "10",
        # What is reserved is refused before it is written: here the writing itself is to fail.
        "HEIRLOOM_MIN_FREE_DISK_MIB": "0",
        "HEIRLOOM_LOG_FORMAT": "json",
        hooks.FOLDER: str(site.folder / "orders"),
        hooks.BACKOFF: str(options.backoff_seconds),
        hooks.WITHOUT_FENCE: "1" if options.without_fence else "",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    if site.redis is not None:
        more |= {
            "HEIRLOOM_DATABASE_URL": site.database_url,
            "HEIRLOOM_BROKER_URL": site.redis.url(),
            "HEIRLOOM_ACCEPT_RESEARCH_PRIOR": "1",
        }
        database = Database(site.database_url)
        with database.write() as session:
            _, token = keys.create(session, "chaos", "chaos", (Scope.READ, Scope.WRITE))
        database.close()
        site.headers = {"Authorization": f"Bearer {token}"}
    site.environment = environment_of(site.folder / "home", port, **more)
    site.url = f"http://127.0.0.1:{port}"
    stack.callback(site.close)
    yield site

"""Postgres and Redis processes of our own, on free ports of the loopback, with data folders that go with them.

They end with the test session, and with its process if that is killed. As root, Postgres runs as the user `postgres`,
for it refuses to be root; its folder lies outside pytest's own, which only root may enter.
"""

import contextlib
import ctypes
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import redis

START_SECONDS = 60
ADDRESSES = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
"""Of the loopback: where the servers listen. All of 127.0.0.0/8 is there on Linux, elsewhere often only the first."""
_LOCAL = ADDRESSES[0]
_PR_SET_PDEATHSIG = 1


def postgres_folder() -> Path | None:
    """Where Postgres' programs lie: on the PATH, or where Debian puts them, the newest version."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return versions[-1].parent if versions else None


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((_LOCAL, 0))
        return probe.getsockname()[1]


class Server:
    """A process that can be stopped hard and started again on the same port and data.

    Attributes:
        port: where it listens, on the loopback.
        folder: its data.
        process: the running one, or None.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def answers(self) -> bool:
        raise NotImplementedError

    def start(self) -> None:
        """Start it, and wait until it answers."""
        log = self.folder / "server.log"
        with log.open("ab") as output:
            self.process = subprocess.Popen(  # noqa: S603  # our own command
                self.command(), cwd=self.folder, stdout=output, stderr=output, preexec_fn=_end_with_parent(), **_user()
            )
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"{self.command()[0]} did not start:\n{log.read_text()[-4000:]}")
            time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGKILL) -> None:
        """End it; hard, unless told otherwise."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(timeout=30)
            self.process = None


class PostgresServer(Server):
    """A Postgres cluster; not durable across a power cut, which no test makes."""

    user = "heirloom"

    def __init__(self, folder: Path, programs: Path) -> None:
        super().__init__(folder)
        self._programs = programs
        self._password = secrets.token_hex(8)

    def command(self) -> list[str]:
        settings = {
            "listen_addresses": ",".join(ADDRESSES),
            "unix_socket_directories": "",
            "fsync": "off",
            "full_page_writes": "off",
            "shared_buffers": "64MB",
            "max_connections": "200",
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [str(self._programs / "postgres"), "-D", str(self.folder / "data"), "-p", str(self.port), *options]

    def initialise(self) -> None:
        """Make the cluster."""
        secret = self.folder / "password"
        secret.write_text(self._password)
        command = [str(self._programs / "initdb"), "-D", str(self.folder / "data"), "-U", self.user, "--no-sync"]
        command += ["-A", "scram-sha-256", "--pwfile", str(secret), "-E", "UTF8", "--locale=C"]
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
            shutil.chown(secret, "postgres", "postgres")
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False, **_user())  # noqa: S603  # our own
        if done.returncode:
            raise RuntimeError(f"initdb failed:\n{done.stdout}\n{done.stderr}")

    def url(self, database: str = "postgres", address: str = _LOCAL) -> str:
        """An address as HEIRLOOM_DATABASE_URL takes it."""
        return f"postgresql://{self.user}:{self._password}@{address}:{self.port}/{database}"

    def answers(self) -> bool:
        try:
            psycopg.connect(self.url(), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def execute(self, statement: str) -> None:
        """Run one statement outside a transaction."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(statement)

    def create(self, database: str, template: str = "template1") -> str:
        """A new database, and its address."""
        self.execute(f"CREATE DATABASE {database} TEMPLATE {template}")
        return self.url(database)

    def drop(self, database: str) -> None:
        """Remove a database, whoever is still connected to it."""
        self.execute(f"DROP DATABASE {database} WITH (FORCE)")


class RedisServer(Server):
    """A Redis that keeps nothing on disk."""

    def command(self) -> list[str]:
        program = shutil.which("redis-server") or "redis-server"
        places = [_LOCAL, *(f"-{address}" for address in ADDRESSES[1:])]  # with a minus: where there is such a one
        return [program, "--port", str(self.port), "--bind", *places, "--save", "", "--appendonly", "no"]

    def url(self, address: str = _LOCAL) -> str:
        """An address as HEIRLOOM_BROKER_URL takes it."""
        return f"redis://{address}:{self.port}/0"

    def answers(self) -> bool:
        try:
            with redis.Redis(host=_LOCAL, port=self.port, socket_timeout=5) as client:
                return bool(client.ping())
        except redis.exceptions.ConnectionError:
            return False

    def connections_to(self, address: str) -> int:
        """How many clients came by way of an address."""
        with redis.Redis(host=_LOCAL, port=self.port, socket_timeout=5) as client:
            return sum(each["laddr"] == f"{address}:{self.port}" for each in client.client_list())

    def flush(self) -> None:
        """Forget everything."""
        with redis.Redis(host=_LOCAL, port=self.port, socket_timeout=5) as client:
            client.flushall()


@contextlib.contextmanager
def running_postgres(programs: Path) -> Iterator[PostgresServer]:
    """A Postgres for as long as the block lasts."""
    with _folder() as folder:
        server = PostgresServer(folder, programs)
        server.initialise()
        server.start()
        try:
            yield server
        finally:
            server.stop(signal.SIGQUIT)  # at once, and its children with it; there is nothing to keep


@contextlib.contextmanager
def running_redis() -> Iterator[RedisServer]:
    """A Redis for as long as the block lasts."""
    with _folder() as folder:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
        server = RedisServer(folder)
        server.start()
        try:
            yield server
        finally:
            server.stop(signal.SIGTERM)


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="heirloom-tests-", dir=_in_memory()))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _in_memory() -> Path | None:
    """Where there is room in memory: copying a template database takes 30 ms there, and 300 on a disk."""
    place = Path("/dev/shm")  # noqa: S108  # a folder of our own is made in it
    roomy = place.is_dir() and os.access(place, os.W_OK) and shutil.disk_usage(place).free > 2 * 2**30
    return place if roomy else None


def _user() -> dict[str, object]:
    """Who the process is: not root."""
    if os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam("postgres")
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _end_with_parent() -> Callable[[], None] | None:
    """On Linux the kernel ends a child whose parent was killed."""
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None, use_errno=True)
    return lambda: library.prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT) and None

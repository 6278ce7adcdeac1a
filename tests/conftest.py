"""Fixtures that every test may use."""

import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.db.session import Database
from migrations.run import upgrade
from tests.servers import PostgresServer, RedisServer, postgres_folder, running_postgres, running_redis

_TEMPLATE = "heirloom_template"
_numbers = itertools.count()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real photos and reference vectors beside the checkout.

    Tests that need it skip, and say so, where it is absent; in CI it must be there.
    """
    default = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("HEIRLOOM_SHARED", str(default)))
    if not folder.is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail("the shared material must be present in CI")
        pytest.skip("needs the shared material beside the checkout (photos and reference vectors)")
    return folder


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A Postgres of our own, with a migrated database that others are copied from."""
    programs = postgres_folder()
    if programs is None:
        _absent("Postgres' programs (Debian: postgresql)")
    with running_postgres(programs) as server:
        upgrade(server.create(_TEMPLATE))
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A fresh, migrated database on Postgres."""
    name = f"test_{next(_numbers)}"
    yield postgres_server.create(name, _TEMPLATE)
    postgres_server.drop(name)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A Redis of our own."""
    if shutil.which("redis-server") is None:
        _absent("redis-server (Debian: redis-server)")
    with running_redis() as server:
        yield server


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """A Redis with nothing in it."""
    redis_server.flush()
    return redis_server.url()


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("sqlite") / "template.db"
    upgrade(f"sqlite:///{file}")
    return file


@pytest.fixture
def sqlite_url(_sqlite_template: Path, tmp_path: Path) -> str:
    """A fresh, migrated database on SQLite."""
    return f"sqlite:///{shutil.copy(_sqlite_template, tmp_path / 'heirloom.db')}"


@pytest.fixture
def sqlite_database(sqlite_url: str) -> Iterator[Database]:
    """A fresh, migrated database on SQLite, opened."""
    database = Database(sqlite_url)
    yield database
    database.close()


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[Database]:
    """A fresh, migrated database on Postgres, opened."""
    database = Database(postgres_url)
    yield database
    database.close()


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh, migrated database on each of the two."""
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A fresh, migrated database on each of the two, opened; `own_local` is its one owner."""
    database = Database(database_url)
    yield database
    database.close()


def _absent(what: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} must be installed in CI")
    pytest.skip(f"needs {what}")

import pytest

from core.db.session import Database
from core.storage.open import open_store
from tests.benches import bench_on
from tests.integration.workers import workers_on


@pytest.fixture(params=["sqlite", "postgres"])
def served(request, tmp_path):
    """A bench on each database with the blobs where a service has them, and workers of it."""
    yield from _served(request.getfixturevalue(f"{request.param}_url"), tmp_path)


@pytest.fixture
def on_sqlite(sqlite_url, tmp_path):
    """The same on SQLite alone."""
    yield from _served(sqlite_url, tmp_path)


@pytest.fixture
def on_postgres(postgres_url, tmp_path):
    """The same on Postgres alone."""
    yield from _served(postgres_url, tmp_path)


def _served(url, tmp_path):
    home = tmp_path / "home"
    database = Database(url)
    bench = bench_on(database, home)
    bench.store = open_store("fs" if database.is_sqlite else "database", home, database)
    with workers_on(home, url, tmp_path / "workers.log") as workers:
        yield bench, workers
    database.close()

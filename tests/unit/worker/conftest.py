import pytest

from tests.benches import bench_on
from tests.decoders import DecodesHere
from worker.process import WorkerProcess


@pytest.fixture
def bench(sqlite_database, tmp_path):
    """SQLite, blobs in memory, the tiny prior."""
    return bench_on(sqlite_database, tmp_path / "home")


@pytest.fixture(autouse=True)
def decodes_here(monkeypatch):
    monkeypatch.setattr("worker.process.DecodePool", DecodesHere)


@pytest.fixture
def worker(bench):
    """A worker on the bench; its threads are not started, so that a test says when what happens."""
    return WorkerProcess(bench.settings, bench.database, bench.store)

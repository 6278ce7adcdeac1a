"""A worker decodes in a process of its own: what a photo does to its decoder is that photo's end alone."""

import pytest
from PIL import Image

from core.imaging.decode_pool import DecodePool, ProcessLimits
from tests.benches import bench_on, crops
from tests.photo_files import saved
from worker.process import WorkerProcess

MEMORY_BYTES = 60 * 2**20


@pytest.fixture
def narrow_worker(sqlite_database, tmp_path, monkeypatch):
    """A bench, and a worker whose decoder has little memory."""
    pool = DecodePool(limits=ProcessLimits(MEMORY_BYTES))
    monkeypatch.setattr("worker.process.DecodePool", lambda **_: pool)
    bench = bench_on(sqlite_database, tmp_path / "home")
    with pool:
        yield bench, WorkerProcess(bench.settings, bench.database, bench.store)


def test_a_bomb_fails_its_own_job_at_once_and_the_worker_goes_on(narrow_worker):
    bench, worker = narrow_worker
    bomb = bench.add_restoration(saved(Image.new("L", (7_000, 7_000)), "PNG"), aligned=False)
    good = bench.add_restoration(crops(1)[0])
    worker.loop.run_until_empty()
    ended = bench.job(bomb)
    assert (ended.status, ended.attempt, ended.error["code"]) == ("failed", 1, "image_too_large")
    assert bench.job(good).status == "succeeded"

from contextlib import contextmanager

import pytest
from sqlalchemy.exc import OperationalError

from tests.benches import crops


@pytest.fixture
def deaf(bench, monkeypatch):
    """The next commit is written, and its answer lost."""
    write = bench.database.write

    @contextmanager
    def unanswered():
        monkeypatch.undo()
        with write() as session:
            yield session
        raise OperationalError("COMMIT", {}, Exception("server closed the connection unexpectedly"))

    def be():
        monkeypatch.setattr(bench.database, "write", unanswered)

    return be


def test_a_job_whose_claim_was_written_and_not_answered_is_taken_again_at_once_and_without_a_crash_mark(
    bench, worker, deaf
):
    job = bench.add_restoration(crops(1)[0])
    deaf()
    assert worker.loop._take_patiently() == []
    assert (bench.job(job).status, bench.job(job).attempt) == ("running", 1)
    (held,) = worker.loop.take()
    assert (held.id, held.attempt) == (job.id, 2)
    assert bench.job(job).crashes == 0


def test_a_job_that_the_worker_knows_of_is_not_given_back_by_that(bench, worker, deaf):
    first = bench.add_restoration(crops(1)[0])
    (held,) = worker.loop.take()
    second = bench.add_restoration(crops(2)[1])
    deaf()
    assert worker.loop._take_patiently() == []
    (other,) = worker.loop.take()
    assert (other.id, other.attempt) == (second.id, 2)
    assert (bench.job(first).status, bench.job(first).attempt) == ("running", held.attempt)

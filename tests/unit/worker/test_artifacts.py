import pytest

from core.db.tables import Job, StageOutput, Subject
from core.domain.errors import CancelledError, LeaseLostError
from core.storage.base import BlobRef
from tests.benches import OWNER, portraits, tiny_recipe
from worker.artifacts import JobArtifacts
from worker.patience import Patience
from worker.recent import Recent

KEY = ("align", "photo-0", "a" * 64)


@pytest.fixture
def held(bench, worker):
    subject = bench.add_subject()
    bench.add_tuning(subject, bench.add_album(subject, portraits(1)), tiny_recipe("personal"))
    (held,) = worker.loop.take()
    return held


@pytest.fixture
def artifacts(bench, worker, held):
    """Makes the job's store anew, as the next attempt would."""
    patience = Patience(bench.database, 60.0, worker.drain, worker.watchdog)
    return lambda recent=None: JobArtifacts(held, bench.store, patience, recent or Recent())


def rows(bench, held):
    return [row for row in [bench.row(StageOutput, (held.id, *KEY))] if row is not None]


def test_what_was_put_is_there_for_the_next_attempt(artifacts):
    artifacts().put(*KEY, b"crop")
    assert artifacts().get(*KEY) == b"crop"
    assert artifacts().get("align", "photo-0", "b" * 64) is None


def test_a_second_put_replaces_the_first(bench, held, artifacts):
    artifacts().put(*KEY, b"one")
    artifacts().put(*KEY, b"two")
    assert artifacts().get(*KEY) == b"two"
    assert len(rows(bench, held)) == 1


def test_what_memory_has_no_room_for_is_read_from_the_store_again(artifacts):
    recent = Recent(most_bytes=8)
    store = artifacts(recent)
    for n in range(3):
        store.put("align", f"photo-{n}", "a" * 64, b"crop %d" % n)
    assert recent.size_bytes == 6
    assert [store.get("align", f"photo-{n}", "a" * 64) for n in range(3)] == [b"crop 0", b"crop 1", b"crop 2"]


def test_what_was_discarded_is_gone(bench, held, artifacts):
    store = artifacts()
    store.put(*KEY, b"crop")
    store.discard(*KEY)
    assert store.get(*KEY) is None
    assert rows(bench, held) == []


def test_damaged_and_missing_bytes_read_as_absent(bench, held, artifacts):
    artifacts().put(*KEY, b"crop")
    (row,) = rows(bench, held)
    bench.store.delete(BlobRef(OWNER, row.blob_sha256, row.size_bytes))
    assert artifacts().get(*KEY) is None


@pytest.mark.parametrize("changes", [{"attempt": 2}, {"status": "queued"}, {"status": "cancelled"}])
def test_an_attempt_that_is_over_writes_nothing(bench, held, artifacts, changes):
    bench.change(Job, held.id, **changes)
    with pytest.raises(LeaseLostError):
        artifacts().put(*KEY, b"stale")
    assert rows(bench, held) == []
    assert held.lost


def test_nothing_is_written_for_a_subject_that_is_gone(bench, held, artifacts):
    bench.change(Subject, held.job.subject_id, deleted_at=held.job.created_at)
    with pytest.raises(CancelledError):
        artifacts().put(*KEY, b"too late")
    assert rows(bench, held) == []


def test_what_went_through_stays_in_memory_for_this_run_but_for_resume_states(bench, held, artifacts):
    store = artifacts()
    store.put(*KEY, b"crop")
    store.put("resume-finetune", "subject+1", "c" * 64, b"state")
    held.ended = True
    assert store.get(*KEY) == b"crop"
    assert store.get("resume-finetune", "subject+1", "c" * 64) is None


def test_what_is_discarded_or_released_leaves_the_memory_of_a_job_that_has_ended_too(held, artifacts):
    store = artifacts()
    others = ("align", "photo-1", "b" * 64)
    for key in (KEY, others):
        store.put(*key, b"crop")
    held.ended = True
    store.discard(*KEY)
    assert [store.get(*KEY), store.get(*others)] == [None, b"crop"]
    store.release()
    assert store.get(*others) is None

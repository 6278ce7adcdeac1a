import numpy as np
import pytest
from structlog.contextvars import get_contextvars

from core.db import queue
from core.db.tables import CandidateRow, Job
from core.imaging.intake import decode_photo
from core.pipeline.stages import restore
from core.storage.base import BlobRef, read_blob
from tests.benches import OWNER, at_step, crops, tiny_recipe


@pytest.fixture
def batches(monkeypatch):
    """The sizes of the batches that were restored."""
    sizes = []
    whole = restore.restore_batch

    def counted(prior, photos, *arguments, **options):
        sizes.append(len(photos))
        return whole(prior, photos, *arguments, **options)

    monkeypatch.setattr(restore, "restore_batch", counted)
    return sizes


def image_of(bench, job):
    row = bench.row(CandidateRow, (job.restoration_id, 0, 0))
    return decode_photo(read_blob(bench.store, BlobRef(OWNER, row.blob_sha256, row.size_bytes)))


def queue_three(bench, recipe=None):
    return [bench.add_restoration(photo, recipe, seed=seed) for seed, photo in enumerate(crops(3))]


def test_restorations_of_one_kind_are_taken_together_and_come_out_as_they_do_alone(bench, worker, batches):
    together = queue_three(bench)
    worker.loop.run_until_empty()
    assert batches == [3]
    assert [bench.job(job).metrics["together"] for job in together] == [3, 3, 3]
    alone = [bench.add_restoration(photo, seed=seed, native=False, note=seed) for seed, photo in enumerate(crops(3))]
    for job in alone:
        bench.change(Job, job.id, batch_key=None)
    worker.loop.run_until_empty()
    assert batches == [3, 1, 1, 1]
    for one, two in zip(together, alone, strict=True):
        assert bench.job(one).status == bench.job(two).status == "succeeded"
        assert np.abs(image_of(bench, one).astype(int) - image_of(bench, two)).max() <= 1


def test_no_more_are_taken_than_a_batch_holds(bench, worker, batches):
    recipe = tiny_recipe("direct", restore={"batch": 2})
    jobs = queue_three(bench, recipe)
    worker.loop.run_until_empty()
    assert batches == [2, 1]
    assert {bench.job(job).status for job in jobs} == {"succeeded"}


def test_one_that_is_cancelled_does_not_stop_the_others(bench, worker, batches):
    jobs = queue_three(bench)

    def cancel():
        bench.change(Job, jobs[0].id, cancel_requested=True)
        worker.heartbeat.beat()

    at_step(worker, 10, cancel)
    worker.heartbeat._due_at = 0.0
    worker.loop.run_until_empty()
    assert [bench.job(job).status for job in jobs] == ["cancelled", "succeeded", "succeeded"]
    assert bench.row(CandidateRow, (jobs[0].restoration_id, 0, 0)) is None
    assert batches == [3]


def test_one_that_another_worker_took_is_dropped_and_the_others_go_on(bench, worker):
    jobs = queue_three(bench)
    at_step(worker, 10, lambda: bench.change(Job, jobs[1].id, attempt=2, worker_id="wkr_other"))
    worker.loop.run_until_empty()
    assert [bench.job(job).status for job in jobs] == ["succeeded", "running", "succeeded"]
    assert bench.job(jobs[1]).attempt == 2
    assert bench.row(CandidateRow, (jobs[1].restoration_id, 0, 0)) is None


def test_one_with_a_bad_photo_fails_alone(bench, worker):
    good, bad, gone = crops(1)[0], b"rubbish", crops(2)[1]
    jobs = [bench.add_restoration(photo) for photo in (gone, bad, good)]
    bench.store.delete(bench.keep(gone))
    worker.loop.run_until_empty()
    assert [bench.job(job).status for job in jobs] == ["failed", "failed", "succeeded"]
    assert [(bench.job(job).error or {}).get("code") for job in jobs] == ["blob_missing", "unsupported_format", None]


@pytest.fixture
def only_alone(monkeypatch):
    """Batches fail as nobody foresaw, and alone the second photo; the sizes of what was tried."""
    sizes = []
    whole = restore.restore_batch

    def picky(prior, photos, *arguments, **options):
        sizes.append(len(photos))
        if len(photos) > 1 or len(sizes) == 3:
            raise RuntimeError("unforeseen")
        return whole(prior, photos, *arguments, **options)

    monkeypatch.setattr(restore, "restore_batch", picky)
    return sizes


def test_after_an_unforeseen_error_each_runs_alone_once_and_ends_with_its_own(bench, worker, only_alone):
    jobs = queue_three(bench)
    worker.loop.run_until_empty()
    assert only_alone == [3, 1, 1, 1]
    assert [bench.job(job).status for job in jobs] == ["succeeded", "failed", "succeeded"]
    assert bench.job(jobs[1]).error["code"] == "internal_error"
    assert [bench.job(job).attempt for job in jobs] == [1, 1, 1]


def test_while_one_runs_alone_those_whose_turn_is_to_come_can_be_cancelled(bench, worker, only_alone):
    jobs = queue_three(bench)
    seen = []

    def look():
        if len(only_alone) != 2:  # not the first one by itself
            return
        with bench.database.write() as session:
            queue.request_cancel(session, OWNER, jobs[2].id)
        worker.heartbeat._due_at = 0.0
        worker.heartbeat.beat()
        seen.append(bench.job(jobs[2]).status)

    for step in range(1, 40):
        at_step(worker, step, look)
    worker.loop.run_until_empty()
    assert seen[-1] == "cancelled"
    assert only_alone == [3, 1, 1]


def test_one_whose_recipe_nobody_here_knows_fails_alone_and_the_queue_goes_on(bench, worker):
    stranger, *others = queue_three(bench)
    recipe = dict(bench.job(stranger).recipe) | {"invented_later": 1}
    bench.change(Job, stranger.id, recipe=recipe)
    worker.loop.run_until_empty()
    assert bench.job(stranger).status == "failed"
    assert [bench.job(job).status for job in others] == ["succeeded"] * 2


def test_what_is_to_run_alone_and_has_not_yet_goes_back_where_the_worker_must_go(bench, worker, only_alone):
    jobs = queue_three(bench)
    clear = worker.gpu.clear
    worker.gpu.clear = lambda: (clear(), worker.stop())
    worker.loop.run_until_drained()
    assert only_alone == [3]
    assert [(bench.job(job).status, bench.job(job).faults) for job in jobs] == [("queued", 0)] * 3


def test_the_log_names_every_job_of_a_batch_and_one_alone(bench, worker):
    seen = []
    jobs = queue_three(bench)
    at_step(worker, 10, lambda: seen.append(get_contextvars()))
    worker.loop.run_until_empty()
    alone = bench.add_restoration(crops(1)[0])
    at_step(worker, 5, lambda: seen.append(get_contextvars()))
    worker.loop.run_until_empty()
    assert seen == [{"job_ids": [job.id for job in jobs]}, {"job_id": alone.id}]


def test_progress_is_told_to_those_whose_photos_are_in_the_batch(bench, worker):
    jobs = queue_three(bench)
    seen = []

    def look():
        worker.heartbeat.beat()
        seen.extend((bench.job(job).stage, bench.job(job).progress_done, bench.job(job).progress_total) for job in jobs)

    at_step(worker, 20, look)
    worker.loop.run_until_empty()
    assert {stage for stage, *_ in seen} == {"restore"}
    assert len({(done, total) for _, done, total in seen}) == 1
    assert seen[0][1] > 0
    assert "stage" in bench.events(jobs[2])


def test_what_is_stored_for_a_job_is_found_again_in_other_company(bench, worker, batches):
    first, second = (bench.add_restoration(photo) for photo in crops(2))

    def lose_the_first_and_stop():
        bench.change(Job, first.id, attempt=2, worker_id="wkr_other")
        worker.stop()

    at_step(worker, 21, lose_the_first_and_stop)
    worker.loop.run_until_empty()
    assert bench.job(second).status == "queued"
    assert "align" in bench.outputs(second)

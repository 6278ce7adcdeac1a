import pytest
import torch
from sqlalchemy.exc import OperationalError

from core.domain.errors import (
    BlobDamagedError,
    CheckpointError,
    CheckpointMismatchError,
    DiskFullError,
    HeirloomError,
    ImageTooLargeError,
    OutOfMemoryError,
    PriorUnavailableError,
    StorageError,
)
from core.priors.devices import is_lost
from tests.benches import crops
from worker.errors import verdict_on


def damaged_output():
    error = CheckpointError("The stored output of the stage finetune is damaged.")
    error.retryable = True
    return error


@pytest.mark.parametrize(
    ("error", "event", "code"),
    [
        (ImageTooLargeError("Too large."), "failed", "image_too_large"),
        (OutOfMemoryError("Too little."), "failed", "out_of_memory"),
        (PriorUnavailableError("Not here."), "failed", "prior_unavailable"),
        (CheckpointMismatchError("Another prior's."), "failed", "checkpoint_mismatch"),
        (BlobDamagedError("Damaged."), "failed", "blob_damaged"),
        (StorageError("Away."), "faulted", "storage_error"),
        (DiskFullError("Full."), "faulted", "disk_full"),
        (OperationalError("UPDATE", {}, Exception("refused")), "faulted", "storage_error"),
        (damaged_output(), "faulted", "checkpoint_error"),
        (HeirloomError("Strange."), "failed", "internal_error"),
        (ZeroDivisionError("secret.jpg"), "failed", "internal_error"),
    ],
)
def test_an_error_is_told_at_once_or_tried_again(error, event, code):
    verdict = verdict_on(error)
    assert (verdict.event, verdict.problem["code"]) == (event, code)
    assert set(verdict.problem) == {"code", "detail", "advice", "retryable"}
    assert "secret" not in str(verdict.problem)


def broken_once(worker, monkeypatch, *errors):
    left = list(errors)
    whole = worker.gpu.prior

    def prior(sha256):
        if left:
            raise left.pop(0)
        return whole(sha256)

    monkeypatch.setattr(worker.gpu, "prior", prior)


def test_a_passing_fault_puts_the_job_back_for_a_while(bench, worker, monkeypatch):
    job = bench.add_restoration(crops(1)[0])
    broken_once(worker, monkeypatch, DiskFullError("No space is left.", "Make some."))
    worker.loop.run_until_empty()
    row = bench.job(job)
    assert (row.status, row.faults, row.crashes, row.error["code"]) == ("queued", 1, 0, "disk_full")
    assert row.run_after > row.started_at


def test_out_of_memory_is_tried_once_more_with_an_empty_cache(bench, worker, monkeypatch):
    job = bench.add_restoration(crops(1)[0])
    cleared = []
    monkeypatch.setattr(worker.gpu, "clear", lambda: cleared.append(1))
    broken_once(worker, monkeypatch, OutOfMemoryError("Too little."))
    worker.loop.run_until_empty()
    assert (bench.job(job).status, cleared) == ("succeeded", [1])


def test_out_of_memory_twice_is_the_job_s_end(bench, worker, monkeypatch):
    job = bench.add_restoration(crops(1)[0])
    broken_once(worker, monkeypatch, *(OutOfMemoryError("Too little.", "Choose less.") for _ in range(2)))
    worker.loop.run_until_empty()
    assert (bench.job(job).status, bench.job(job).error["code"]) == ("failed", "out_of_memory")


def test_what_nobody_foresaw_ends_the_job_and_not_the_worker(bench, worker, monkeypatch):
    first, second = (bench.add_restoration(photo, candidates=n) for n, photo in enumerate(crops(2), start=1))
    broken_once(worker, monkeypatch, ZeroDivisionError("the colleague's photo.jpg"))
    worker.loop.run_until_empty()
    assert bench.job(first).error["code"] == "internal_error"
    assert "photo.jpg" not in str(bench.job(first).error)
    assert bench.job(second).status == "succeeded"


@pytest.mark.parametrize("error", [torch.AcceleratorError("unspecified launch failure"), RuntimeError("CUDA error: x")])
def test_a_device_that_is_lost_ends_the_worker_and_no_job_for_whose_lease_others_wait(
    bench, worker, monkeypatch, error
):
    ended = []
    monkeypatch.setattr(worker.watchdog, "_on_stall", lambda: ended.append(1))
    jobs = [bench.add_restoration(crops(2)[number]) for number in range(2)]
    broken_once(worker, monkeypatch, error)
    with pytest.raises(RuntimeError):
        worker.loop.run_until_empty()
    assert ended == [1]
    assert [bench.job(job).status for job in jobs] == ["running", "running"]


def test_too_little_memory_is_no_lost_device():
    assert not is_lost(torch.OutOfMemoryError("CUDA out of memory."))
    assert not is_lost(RuntimeError("CUDA error: out of memory"))
    assert not is_lost(ValueError("CUDA error: x"))

"""What an error means for the job it met: told to its owner at once, or tried again later."""

from dataclasses import dataclass
from typing import Any

from core import logs
from core.domain.errors import CheckpointError, DiskFullError, HeirloomError, StorageError
from core.domain.job import JobEvent
from core.services.problems import as_problem
from worker.patience import AWAY

_log = logs.get_logger(__name__)
_OURS: dict[str, Any] = {
    "code": "internal_error",
    "detail": "Something failed in the worker that is not this request's fault.",
    "advice": "Retry it; if it fails again, tell the operator this job's id: the worker's log says more.",
    "retryable": True,
}
_AWAY: dict[str, Any] = {
    "code": "storage_error",
    "detail": "The database could not be written.",
    "advice": "It is tried again by itself.",
    "retryable": True,
}


@dataclass(frozen=True)
class Verdict:
    """How a job goes on after an error.

    Attributes:
        event: FAILED, or FAULTED: back into the queue for a while, three times.
        problem: for its owner.
    """

    event: JobEvent
    problem: dict[str, Any]


def verdict_on(error: Exception) -> Verdict:
    """Judge an error that ended a job's run.

    Args:
        error: neither a cancelling, nor a lost lease, nor out of memory for the first time.
    """
    if isinstance(error, AWAY):
        return Verdict(JobEvent.FAULTED, _AWAY)
    if not isinstance(error, HeirloomError):
        # Nothing of it is shown to the owner: an unforeseen message may quote anything.
        _log.error("job_failed_unforeseen", exc_info=error)
        return Verdict(JobEvent.FAILED, _OURS)
    # A stored output that was damaged is made again, and so is retried; other faults of a checkpoint stay.
    transient = isinstance(error, StorageError | DiskFullError | CheckpointError) and error.retryable
    return Verdict(JobEvent.FAULTED if transient else JobEvent.FAILED, as_problem(error))

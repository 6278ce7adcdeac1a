"""A job's life: its states, the one table of how it moves, and the pure function that moves it.

queued → running → succeeded | failed | quarantined; running → queued (retry, drained, lease lost);
queued | running → cancelled; queued → expired. What is terminal is final.

`core.db.jobs` repeats the guard in its WHERE clauses: zero rows means that somebody moved first.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from core.domain.errors import InvalidTransitionError

MAX_CRASHES = 3
"""A job whose worker dies this often is quarantined: it may be what kills them."""
MAX_TRANSIENT_FAILURES = 3
_BACKOFF_SECONDS = 10.0
ENDED_JOB_LIFE = timedelta(days=30)
"""How long an ended job can be looked at, where its result does not say otherwise."""


class JobKind(StrEnum):
    """What is made.

    album: a subject's photos looked at, and a checkpoint tuned unless that was not wanted.
    checkpoint: another checkpoint from an album that is there already.
    restoration: one photo.
    """

    ALBUM = "album"
    CHECKPOINT = "checkpoint"
    RESTORATION = "restoration"


class JobStatus(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    QUARANTINED = "quarantined"

    @property
    def terminal(self) -> bool:
        """Whether nothing moves it any more."""
        return self not in (JobStatus.QUEUED, JobStatus.RUNNING)


class JobStage(StrEnum):
    """What a running job is doing."""

    INTAKE = "intake"
    DETECT = "detect"
    ALIGN = "align"
    CURATE = "curate"
    ALBUM = "album"
    FINETUNE = "finetune"
    RESTORE = "restore"
    COMPOSITE = "composite"
    STORE = "store"


class JobEvent(StrEnum):
    """What happens to a job."""

    CLAIMED = "claimed"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    FAULTED = "faulted"
    """A transient error: tried again later, three times."""
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    DRAINED = "drained"
    """Its worker was asked to stop: back in the queue, without a mark."""
    LEASE_LOST = "lease_lost"
    """Its worker was not heard of: a crash, the third of which is the last."""
    WORKER_BLAMED = "worker_blamed"
    """Its worker was not heard of, and that is the worker's fault: back in the queue, without a mark."""


@dataclass(frozen=True)
class JobState:
    """What moves.

    Attributes:
        status: where it stands.
        attempt: how often it was claimed; the fence: a worker with an older number may write nothing.
        crashes: how often its worker died.
        faults: transient errors in a row.
        run_after: not claimed before this.
        started_at: of the first attempt.
        finished_at: when it became terminal.
    """

    status: JobStatus
    attempt: int = 0
    crashes: int = 0
    faults: int = 0
    run_after: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None


TRANSITIONS: dict[tuple[JobStatus, JobEvent], JobStatus] = {
    (JobStatus.QUEUED, JobEvent.CLAIMED): JobStatus.RUNNING,
    (JobStatus.QUEUED, JobEvent.CANCELLED): JobStatus.CANCELLED,
    (JobStatus.QUEUED, JobEvent.EXPIRED): JobStatus.EXPIRED,
    (JobStatus.QUEUED, JobEvent.FAILED): JobStatus.FAILED,  # what it waits for ended otherwise
    (JobStatus.RUNNING, JobEvent.SUCCEEDED): JobStatus.SUCCEEDED,
    (JobStatus.RUNNING, JobEvent.FAILED): JobStatus.FAILED,
    (JobStatus.RUNNING, JobEvent.CANCELLED): JobStatus.CANCELLED,
    (JobStatus.RUNNING, JobEvent.FAULTED): JobStatus.QUEUED,
    (JobStatus.RUNNING, JobEvent.DRAINED): JobStatus.QUEUED,
    (JobStatus.RUNNING, JobEvent.LEASE_LOST): JobStatus.QUEUED,
    (JobStatus.RUNNING, JobEvent.WORKER_BLAMED): JobStatus.QUEUED,
}


def advance(job: JobState, event: JobEvent, now: datetime, jitter: float = 0.0) -> JobState:
    """Move a job.

    Args:
        job: where it stands.
        event: what happened.
        now: the database's clock.
        jitter: 0 … 1, lengthens a backoff by up to a half so that jobs do not come back all at once.

    Raises:
        InvalidTransitionError: the table has no such move.
    """
    status = TRANSITIONS.get((job.status, event))
    if status is None:
        raise InvalidTransitionError(f"A job that is {job.status} cannot be {event}.")
    moved = replace(job, status=status, run_after=None)
    if event is JobEvent.CLAIMED:
        moved = replace(moved, attempt=job.attempt + 1, started_at=job.started_at or now)
    elif event is JobEvent.FAULTED:
        faults = job.faults + 1
        if faults > MAX_TRANSIENT_FAILURES:
            moved = replace(moved, status=JobStatus.FAILED, faults=faults)
        else:
            moved = replace(moved, faults=faults, run_after=now + backoff(faults, jitter))
    elif event is JobEvent.LEASE_LOST:
        crashes = job.crashes + 1
        if crashes >= MAX_CRASHES:
            moved = replace(moved, status=JobStatus.QUARANTINED, crashes=crashes)
        else:
            moved = replace(moved, crashes=crashes, run_after=now + backoff(crashes, jitter))
    return replace(moved, finished_at=now) if moved.status.terminal else moved


def backoff(times: int, jitter: float = 0.0) -> timedelta:
    """How long to wait after the n-th failure: 10, 40, 160 seconds, lengthened by up to a half."""
    return timedelta(seconds=_BACKOFF_SECONDS * 4 ** (times - 1) * (1 + 0.5 * jitter))

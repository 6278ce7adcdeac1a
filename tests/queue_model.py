"""What the queue must do, in memory and without a clock: `core.domain.job.advance`, and who may have which job.

Times are two words here: a job is `held_back` while its `run_after` lies ahead, and `overdue` once its lease is over.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from core.domain.job import TRANSITIONS, JobEvent, JobState, JobStatus, advance
from tests.rows import NOW


@dataclass
class ModelJob:
    """A job.

    Attributes:
        state: what `advance` moves.
        written: the last thing that a worker wrote under the fence.
        history: the moves it made.
    """

    id: str
    priority: int
    batch_key: str | None
    waits_for: str | None
    late: bool
    state: JobState = field(default_factory=lambda: JobState(JobStatus.QUEUED))
    cancel_requested: bool = False
    held_back: bool = False
    overdue: bool = False
    written: int = 0
    history: list[str] = field(default_factory=list)

    @property
    def order(self) -> tuple[int, str]:
        return -self.priority, self.id


class Model:
    """The queue."""

    def __init__(self) -> None:
        self.jobs: dict[str, ModelJob] = {}

    def claimable(self) -> list[ModelJob]:
        """What may be claimed, the first first."""
        return sorted(filter(self._may_run, self.jobs.values()), key=lambda job: job.order)

    def companions(self, leader: ModelJob) -> list[ModelJob]:
        """What may be claimed with it; whose worker died once, runs alone."""
        if leader.batch_key is None or leader.state.crashes:
            return []
        return [job for job in self.claimable() if job.batch_key == leader.batch_key and not job.state.crashes]

    def _may_run(self, job: ModelJob) -> bool:
        queued = job.state.status is JobStatus.QUEUED and not job.cancel_requested and not job.held_back
        in_time = not job.late or job.state.started_at is not None
        ready = job.waits_for is None or self.jobs[job.waits_for].state.status is JobStatus.SUCCEEDED
        return queued and in_time and ready

    def holds(self, job_id: str, attempt: int) -> bool:
        """Whether an attempt is still its worker's."""
        state = self.jobs[job_id].state
        return state.status is JobStatus.RUNNING and state.attempt == attempt

    def move(self, job: ModelJob, event: JobEvent) -> None:
        """As `core.db.queue.move`."""
        if job.cancel_requested and TRANSITIONS.get((job.state.status, event)) is JobStatus.QUEUED:
            event = JobEvent.CANCELLED
        job.state = advance(job.state, event, NOW)
        job.history.append(str(job.state.status if job.state.status.terminal else event))
        job.held_back = job.state.run_after is not None
        job.overdue = False
        if job.state.status is not JobStatus.RUNNING and not job.state.status.terminal:
            job.written = 0
        if event is JobEvent.CLAIMED:
            job.written = 0
        if job.state.status.terminal and job.state.status is not JobStatus.SUCCEEDED:
            for other in self._waiting_for(job.id):
                self.move(other, JobEvent.FAILED)

    def cancel(self, job: ModelJob) -> None:
        """As `core.db.queue.request_cancel`."""
        if job.state.status is JobStatus.QUEUED:
            job.cancel_requested = True
            self.move(job, JobEvent.CANCELLED)
        elif job.state.status is JobStatus.RUNNING and not job.cancel_requested:
            job.cancel_requested = True
            job.history.append("cancel_requested")

    def reap(self, locked: str | None = None) -> None:
        """As `core.db.reaper.reap`; `locked` is being written to by its worker at this moment."""
        for job in sorted(self.jobs.values(), key=lambda job: job.id):
            if job.state.status is JobStatus.RUNNING and job.overdue and job.id != locked:
                self.move(job, JobEvent.LEASE_LOST)
        for job in sorted(self.jobs.values(), key=lambda job: job.id):
            if job.state.status is JobStatus.QUEUED and job.late and job.state.started_at is None:
                self.move(job, JobEvent.EXPIRED)

    def _waiting_for(self, job_id: str) -> Iterator[ModelJob]:
        for job in sorted(self.jobs.values(), key=lambda job: job.id):
            if job.waits_for == job_id and job.state.status is JobStatus.QUEUED:
                yield job

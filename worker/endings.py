"""How a held job ends, or goes back: one fenced transaction that says everything."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from core import logs
from core.db import queue, stations, usage
from core.db.session import now_of
from core.db.tables import Job
from core.domain.errors import CancelledError
from core.domain.job import JobEvent, JobKind, JobStatus
from worker.errors import Verdict
from worker.fence import subject_is_gone
from worker.held import HeldJob
from worker.patience import Patience

Write = Callable[[Session, Job, datetime], None]
"""What else is written in the ending transaction."""
_log = logs.get_logger(__name__)


class Endings:
    """Of one worker's jobs."""

    def __init__(self, patience: Patience, measure: Callable[[], dict[str, Any]]) -> None:
        """Bind.

        Args:
            patience: repeats what fails because the database is away.
            measure: gives what was measured of the device, for the job's metrics.
        """
        self._patience = patience
        self._measure = measure

    def succeeded(self, held: HeldJob, write: Write, metrics: dict[str, Any], warnings: list[dict[str, Any]]) -> None:
        """It is done.

        Args:
            held: the job.
            write: its result; raises CancelledError where its place was deleted.
            metrics: of the result, beside the seconds and the memory.
            warnings: code, detail, advice each.

        Raises:
            LeaseLostError: it is not ours any more; nothing was written.
        """
        try:
            self._end(held, JobEvent.SUCCEEDED, write, {"warnings": warnings, "error": None}, metrics)
        except CancelledError:  # what should hold the result was deleted
            self.cancelled(held)

    def by_verdict(self, held: HeldJob, verdict: Verdict, write: Write | None = None) -> None:
        """An error ended its run; errors as for `succeeded`."""
        self._end(held, verdict.event, write, {"error": verdict.problem})

    def cancelled(self, held: HeldJob) -> None:
        """Its owner wanted it stopped, or its subject is gone; errors as for `succeeded`."""
        self._end(held, JobEvent.CANCELLED, None, {})

    def drained(self, held: HeldJob) -> None:
        """The worker must go: the job goes back with what it has stored; errors as for `succeeded`."""
        self._end(held, JobEvent.DRAINED, None, {})

    def _end(
        self,
        held: HeldJob,
        event: JobEvent,
        write: Write | None,
        columns: dict[str, Any],
        metrics: dict[str, Any] | None = None,
    ) -> None:
        held.ending = True
        measured = {"seconds": held.stage_seconds, "together": held.together, **self._measure(), **(metrics or {})}

        def operation(session: Session) -> JobStatus:
            gone = subject_is_gone(session, held, will_change=held.job.kind != JobKind.RESTORATION)
            job = queue.fenced(session, held.id, held.attempt)
            now = now_of(session)
            happened = JobEvent.CANCELLED if gone else event
            if write is not None and not gone:
                write(session, job, now)
            queue.move(session, job, happened, now, run_seconds=held.run_seconds, metrics=measured, **columns)
            if job.status == JobStatus.SUCCEEDED:
                stations.succeeded(session, held.job.worker_id, now)
            usage.add(session, job.owner_id, now, job.run_seconds or 0.0)
            return JobStatus(job.status)

        status = self._patience.write(held, operation)
        held.ended = True
        _log.info("job_left", event_type=str(event), status=str(status), attempt=held.attempt)

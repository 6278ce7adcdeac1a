"""What is to be told to callers' own servers, written in the transaction that makes it true.

A row stands here until a worker has made a delivery of it for everybody who listens. Ids and states alone: no name, no
picture, nothing that a deleted subject would have to take along.
"""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from core.db.tables import Job, OutboxMessage
from core.domain.errors import WorkerLostError
from core.domain.ids import Prefix, new_id
from core.domain.job import JobKind, JobStatus
from core.domain.webhook import WebhookEvent, told_of

WEBHOOK_OPTION = "webhook"
"""Of a job's options: whom it tells beside those who listen to everything, {endpoint_id, url}."""


def append(
    session: Session,
    owner_id: str,
    event: WebhookEvent,
    at: datetime,
    data: dict[str, Any],
    also: dict[str, str] | None = None,
) -> None:
    """Let an event be told.

    Args:
        session: the transaction that makes it true.
        owner_id: whose servers hear of it.
        event: what happened.
        at: the database's clock.
        data: ids and states.
        also: see `WEBHOOK_OPTION`.
    """
    payload = {"id": new_id(Prefix.EVENT), "data": data, "also": also}
    session.add(OutboxMessage(owner_id=owner_id, type=event, payload=payload, created_at=at))


def job_moved(session: Session, job: Job, at: datetime) -> None:
    """Let a job's move be told, where it is one that anybody waits for.

    Args:
        session: the transaction that moves it.
        job: as it is afterwards.
        at: the database's clock.
    """
    event = told_of(JobStatus(job.status), job.attempt)
    if event is None:
        return
    data = {
        "job_id": job.id,
        "kind": job.kind,
        "status": job.status,
        "subject_id": job.subject_id,
        "checkpoint_id": job.checkpoint_id,
        "restoration_id": job.restoration_id,
        "error_code": _code(job) if event is WebhookEvent.JOB_FAILED else None,
    }
    append(session, job.owner_id, event, at, data, job.options.get(WEBHOOK_OPTION))
    made = job.checkpoint_id if job.kind != JobKind.RESTORATION else None
    if event is WebhookEvent.JOB_SUCCEEDED and made is not None:
        ready = {"subject_id": job.subject_id, "checkpoint_id": made, "job_id": job.id}
        append(session, job.owner_id, WebhookEvent.SUBJECT_READY, at, ready)


def _code(job: Job) -> str | None:
    if job.status == JobStatus.QUARANTINED:  # the reaper writes the whole error once it sees what became of the job
        return WorkerLostError.code
    code: str | None = (job.error or {}).get("code")
    return code

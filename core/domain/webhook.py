"""What is told to a caller's own server: which events there are, and which of a job's moves is one."""

from enum import StrEnum

from core.domain.job import JobStatus


class WebhookEvent(StrEnum):
    """What happened."""

    JOB_STARTED = "job.started"
    """For the first time: an attempt that takes over from a lost worker is not told of."""
    JOB_SUCCEEDED = "job.succeeded"
    JOB_FAILED = "job.failed"
    """So is what came too late, and what was quarantined; `status` tells them apart."""
    JOB_CANCELLED = "job.cancelled"
    SUBJECT_READY = "subject.ready"
    """A checkpoint of theirs was made."""
    SUBJECT_DELETED = "subject.deleted"


_BY_STATUS = {
    JobStatus.SUCCEEDED: WebhookEvent.JOB_SUCCEEDED,
    JobStatus.FAILED: WebhookEvent.JOB_FAILED,
    JobStatus.EXPIRED: WebhookEvent.JOB_FAILED,
    JobStatus.QUARANTINED: WebhookEvent.JOB_FAILED,
    JobStatus.CANCELLED: WebhookEvent.JOB_CANCELLED,
}


def told_of(status: JobStatus, attempt: int) -> WebhookEvent | None:
    """What a job that has just moved is told of with, or None.

    Args:
        status: where it stands now.
        attempt: how often it was claimed.
    """
    if status is JobStatus.RUNNING:
        return WebhookEvent.JOB_STARTED if attempt == 1 else None
    return _BY_STATUS.get(status)

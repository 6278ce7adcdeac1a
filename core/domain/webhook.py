"""What is told to a caller's own server: which events there are, and which of a job's moves is one."""

from datetime import timedelta
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


class DeliveryStatus(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    """Given up; it can be sent again by hand."""


DELIVERY_LIFE = timedelta(days=30)
"""How long a delivery can be looked at, and sent again."""
FORMER_SECRET_LIFE = timedelta(hours=24)
"""How long a secret that was replaced signs beside its successor."""
RETRY_SECONDS = (5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800, 28_800)
"""Between attempts: eleven within a day."""


def retry_after(attempts: int, jitter: float = 0.0) -> timedelta | None:
    """How long to wait after so many attempts that failed; None: it is given up.

    Args:
        attempts: at least 1.
        jitter: 0 … 1, shortens by up to a tenth so that a receiver that comes back is not called by all at once.
    """
    if attempts > len(RETRY_SECONDS):
        return None
    return timedelta(seconds=RETRY_SECONDS[attempts - 1] * (1 - 0.1 * jitter))

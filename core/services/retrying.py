"""A job that ended badly, begun anew as another one: at most one job at a time is to make a thing.

Rows are locked as everywhere: the subject, then the restoration or checkpoint, then the photo's file. Jobs are only
read, after that lock: an ended one stays as it is, and one that has not ended is refused whatever becomes of it
meanwhile. Workers lock a job first and its restoration afterwards: waiting for a job here could be a deadlock.
"""

from sqlalchemy.orm import Session

from core.db import checkpoints, files, jobs, restorations
from core.db.session import now_of
from core.db.tables import Job
from core.domain.errors import ConflictError, JobFinishedError, NotFoundError
from core.domain.ids import Prefix, new_id
from core.domain.job import JobKind, JobStatus
from core.domain.subject import CheckpointStatus
from core.priors.spec import PriorSpec
from core.services.constraints import lock_subjects, usable
from core.services.jobs import get
from core.services.wanted import AUTO

_COPIED = (
    "owner_id",
    "kind",
    "priority",
    "subject_id",
    "checkpoint_id",
    "restoration_id",
    "recipe",
    "recipe_digest",
    "seed",
    "options",
    "batch_key",
    "cost_forwards",
    "prior_name",
    "prior_sha256",
)


def retry(session: Session, owner_id: str, job_id: str, prior: PriorSpec) -> Job:
    """Begin a job that ended badly anew, as a new one.

    Raises:
        NotFoundError: there is none, or what it was to make, or the photo it was made from, was deleted.
        JobFinishedError: it has not ended, or it succeeded.
        ConflictError: another job makes the same thing, or has made it; or the prior is not this service's any more.
        CheckpointNotReadyError, CheckpointMismatchError: a restoration whose checkpoint cannot be used.
    """
    job = get(session, owner_id, job_id)
    if not JobStatus(job.status).terminal or job.status == JobStatus.SUCCEEDED:
        raise JobFinishedError(
            f"The job is {job.status}; only one that ended otherwise can be retried.",
            "Cancel it first, or send the request again for another result.",
        )
    named = {job.subject_id, *job.options.get("subject_ids", [])} - {None}
    lock_subjects(session, owner_id, dict.fromkeys(named, ""))
    again = Job(
        **{name: getattr(job, name) for name in _COPIED},
        id=new_id(Prefix.JOB),
        status=JobStatus.QUEUED,
        retry_of=job.id,
        metrics={},
        warnings=[],
        created_at=now_of(session),
    )
    if job.kind == JobKind.RESTORATION:
        _point_restoration(session, again, prior)
    elif job.checkpoint_id is not None:
        _point_checkpoint(session, again)
    _check_prior(again, prior)
    return jobs.insert(session, again)


def _point_restoration(session: Session, job: Job, prior: PriorSpec) -> None:
    row = restorations.get(session, job.owner_id, job.restoration_id or "", lock=True)
    if row is None:
        raise NotFoundError("The restoration of this job was deleted.", "Send the photo again.")
    _refuse_second(session, job, row.job_id)
    # Nothing else names the photo's bytes: without the file they may be swept before a worker reads them.
    if row.file_id is None or files.get(session, job.owner_id, row.file_id, keep=True) is None:
        raise NotFoundError("The photo of this job was deleted.", "Send the photo again.")
    # Whoever is recognised without being named is looked for anew.
    recognised = job.options.get("faces") == AUTO
    named = set() if recognised else set(restorations.checkpoints_of(session, job.owner_id, row.id))
    if job.checkpoint_id is not None:
        named.add(job.checkpoint_id)
    waits_for = [_wait_for(session, job.owner_id, checkpoint_id, prior) for checkpoint_id in sorted(named)]
    pending = sorted({one for one in waits_for if one is not None})
    job.waits_for_job_id = next(iter(pending), None)
    job.options = {**job.options, "waits_for_job_ids": pending}
    row.job_id = job.id


def _wait_for(session: Session, owner_id: str, checkpoint_id: str, prior: PriorSpec) -> str | None:
    checkpoint = checkpoints.get(session, owner_id, checkpoint_id)
    if checkpoint is None:
        raise NotFoundError("The checkpoint of this job was deleted.", "Send the photo again.")
    return usable(session, checkpoint, prior)


def _point_checkpoint(session: Session, job: Job) -> None:
    checkpoint = checkpoints.get(session, job.owner_id, job.checkpoint_id or "", lock=True)
    if checkpoint is None:
        raise NotFoundError("The checkpoint of this job was deleted.", "Tune the album again.")
    if checkpoint.status == CheckpointStatus.READY:
        raise JobFinishedError("Another job has made this checkpoint meanwhile.", "Use it: it is ready.")
    _refuse_second(session, job, checkpoint.job_id)
    checkpoint.status, checkpoint.job_id = CheckpointStatus.PENDING, job.id


def _refuse_second(session: Session, job: Job, made_by: str | None) -> None:
    """Refuse a second job for what one job makes, or has made: the end of either would be taken for that of both."""
    if made_by is None or made_by == job.retry_of:
        return
    other = jobs.get(session, job.owner_id, made_by)
    if other is None:
        return
    if other.status == JobStatus.SUCCEEDED:
        raise ConflictError("Another job has made this meanwhile.", f"See GET /v1/jobs/{other.id}.")
    if not JobStatus(other.status).terminal:
        raise ConflictError(
            f"This is being made anew already: that job is {other.status}.",
            f"Follow GET /v1/jobs/{other.id}, or cancel it first.",
        )


def _check_prior(job: Job, prior: PriorSpec) -> None:
    """Refuse another prior than the service offers: no new request could ask for it, and no worker need have it."""
    if job.prior_sha256 == prior.sha256:
        return
    what = "Send the photo again." if job.kind == JobKind.RESTORATION else "Tune the album again."
    raise ConflictError(
        f"The job was for the prior {job.prior_name!r}, and this service now uses {prior.name!r}.", what
    )

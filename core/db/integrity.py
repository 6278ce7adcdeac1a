"""What must be true of the rows, whatever happened: looked at, and never changed.

Constraints of the database say some of it; the rest is here: ids without a constraint, owners, the states of jobs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Table, and_, func, or_, select
from sqlalchemy.orm import Session

from core.db.tables import Base
from core.domain.job import JobKind, JobStatus
from core.domain.subject import CheckpointStatus

EXAMPLES = 20
"""So many rows are named of each fault; how many there are is counted."""
_TABLES = Base.metadata.tables

_POINTING = (
    ("subjects", "default_checkpoint_id", "checkpoints"),
    ("checkpoints", "job_id", "jobs"),
    ("restorations", "job_id", "jobs"),
    ("restorations", "batch_id", "batches"),
    ("restorations", "subject_id", "subjects"),
    ("restoration_checkpoints", "subject_id", "subjects"),
)
"""Ids that must lead somewhere, and have no constraint. A result outlives its checkpoint and its upload."""

_OWNED = (
    ("album_photos", "subject_id", "subjects"),
    ("checkpoints", "subject_id", "subjects"),
    ("job_events", "job_id", "jobs"),
    ("stage_outputs", "job_id", "jobs"),
    ("candidates", "restoration_id", "restorations"),
    ("restoration_checkpoints", "restoration_id", "restorations"),
    ("restorations", "job_id", "jobs"),
    ("restorations", "file_id", "files"),
    ("restorations", "subject_id", "subjects"),
    ("webhook_deliveries", "endpoint_id", "webhook_endpoints"),
)
"""What belongs to something, and so to its owner."""


@dataclass(frozen=True)
class Fault:
    """Something that must not be.

    Attributes:
        code: which rule it breaks.
        table: where.
        count: how many rows.
        ids: of some of them.
        text: the rule, for people.
    """

    code: str
    table: str
    count: int
    ids: tuple[str, ...]
    text: str


def faults(session: Session) -> Iterator[Fault]:
    """Everything that is wrong with the rows.

    Args:
        session: a snapshot (`Database.snapshot`): what is written meanwhile is no fault.
    """
    for table in Base.metadata.sorted_tables:
        for key in table.foreign_keys:
            target = key.column.table
            missing = and_(key.parent.is_not(None), ~select(key.column).where(key.column == key.parent).exists())
            text = f"{key.parent.name} names none of {target.name}"
            yield from _found(session, "dangling_id", table, missing, text)
    for name, column, target_name in _POINTING:
        pointing, target = _TABLES[name].c[column], _TABLES[target_name]
        missing = and_(pointing.is_not(None), ~select(target.c.id).where(target.c.id == pointing).exists())
        yield from _found(session, "dangling_id", _TABLES[name], missing, f"{column} names none of {target_name}")
    for name, column, target_name in _OWNED:
        table, target = _TABLES[name], _TABLES[target_name]
        other = select(target.c.id).where(target.c.id == table.c[column], target.c.owner_id != table.c.owner_id)
        yield from _found(session, "foreign_owner", table, other.exists(), f"another owner's than its {column}")
    for code, table, condition, text in _impossible():
        yield from _found(session, code, table, condition, text)


def _impossible() -> Sequence[tuple[str, Table, ColumnElement[bool], str]]:
    jobs, outputs, checkpoints = _TABLES["jobs"], _TABLES["stage_outputs"], _TABLES["checkpoints"]
    job, waited = jobs.c, jobs.alias()
    held = or_(job.worker_id.is_not(None), job.lease_until.is_not(None))
    held_wholly = and_(job.worker_id.is_not(None), job.lease_until.is_not(None), job.attempt > 0)
    running, queued = job.status == JobStatus.RUNNING, job.status == JobStatus.QUEUED
    ended = job.status.in_([status for status in JobStatus if status.terminal])
    open_still = or_(running, queued)
    nobody = ~select(waited.c.id).where(waited.c.id == job.waits_for_job_id).exists()
    restoration = _TABLES["restorations"].c
    unmade = ~select(restoration.id).where(restoration.id == job.restoration_id).exists()
    point = checkpoints.c
    maker_ended = select(job.id).where(job.id == point.job_id, ended).exists()
    without_bytes = or_(point.blob_sha256.is_(None), point.size_bytes.is_(None))
    return (
        ("job_state", jobs, job.status.not_in(list(JobStatus)), "a state that there is not"),
        ("job_state", jobs, and_(running, ~held_wholly), "running, and with no worker, lease or attempt"),
        ("job_state", jobs, and_(~running, held), "not running, and still with a worker or a lease"),
        ("job_state", jobs, and_(ended, job.finished_at.is_(None)), "ended, and nobody knows when"),
        ("job_state", jobs, and_(open_still, job.finished_at.is_not(None)), "open, and with the time of its end"),
        ("job_state", jobs, and_(queued, job.cancel_requested), "queued, and to be cancelled: nobody takes it"),
        (
            "job_state",
            jobs,
            and_(queued, job.waits_for_job_id.is_not(None), nobody),
            "waits for a job that is not there",
        ),
        (
            "job_state",
            jobs,
            and_(open_still, job.kind == JobKind.RESTORATION, ~job.cancel_requested, unmade),
            "open, and without the restoration that it is for",
        ),
        (
            "job_leftover",
            outputs,
            select(job.id).where(job.id == outputs.c.job_id, ended).exists(),
            "made on the way by a job that has ended",
        ),
        (
            "checkpoint_state",
            checkpoints,
            and_(point.status == CheckpointStatus.READY, without_bytes),
            "ready, and without bytes",
        ),
        (
            "checkpoint_state",
            checkpoints,
            and_(point.status == CheckpointStatus.PENDING, maker_ended),
            "pending, and the job that makes it has ended",
        ),
    )


def _found(session: Session, code: str, table: Table, condition: ColumnElement[bool], text: str) -> Iterator[Fault]:
    count = session.scalar(select(func.count()).select_from(table).where(condition)) or 0
    if count:
        key = list(table.primary_key.columns)
        examples = select(*key).where(condition).order_by(*key).limit(EXAMPLES)
        ids = tuple("/".join(map(str, row)) for row in session.execute(examples))
        yield Fault(code, table.name, count, ids, text)

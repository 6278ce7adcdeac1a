"""The service's state in numbers, read from the database: workers have no port of their own that could be asked."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import case, func, or_, select
from sqlalchemy.orm import Session, aliased

from core.db import workers
from core.db.queue import QUEUED
from core.db.session import now_of
from core.db.stations import state_of
from core.db.tables import Blob, Job
from core.domain.job import JobStatus

RECENT_JOBS = 200
"""What a stage costs is told from so many jobs: those that ended last."""


@dataclass(frozen=True)
class WorkerFigures:
    """One worker that is alive.

    Attributes:
        name: of its process.
        device: what it computes on.
        state: idle, busy, draining, set_aside.
        jobs: how many it has in hand.
        numbers: what it measured of itself, e.g. `peak_memory_bytes`.
    """

    name: str
    device: str
    state: str
    jobs: int
    numbers: dict[str, float]


@dataclass(frozen=True)
class Figures:
    """At one moment.

    Attributes:
        jobs: how many there are, by kind and status.
        oldest_queued_seconds: how long a queued job has waited at most since a worker could take it: not while it waits
            for a checkpoint to be tuned, or for a fault to pass. 0 where none does.
        attempts: claims of the jobs that are kept, by kind; so are `crashes` and `faults`.
        stage_seconds: (kind, stage) → what the last jobs took for it, a number each.
        job_memory_bytes: the most that one of the last jobs took on its device.
        workers: those that are alive.
        blobs: (count, bytes) by state.
    """

    jobs: dict[tuple[str, str], int]
    oldest_queued_seconds: float
    attempts: dict[str, int]
    crashes: dict[str, int]
    faults: dict[str, int]
    stage_seconds: dict[tuple[str, str], list[float]]
    job_memory_bytes: float
    workers: list[WorkerFigures] = field(default_factory=list)
    blobs: dict[str, tuple[int, int]] = field(default_factory=dict)


def read_figures(session: Session, worker_life: timedelta) -> Figures:
    """Ask the database.

    Args:
        session: a transaction that only reads.
        worker_life: a worker that was not heard of for so long is taken for gone.
    """
    counts = session.execute(
        select(
            Job.kind,
            Job.status,
            func.count(),
            func.coalesce(func.sum(Job.attempt), 0),
            func.coalesce(func.sum(Job.crashes), 0),
            func.coalesce(func.sum(Job.faults), 0),
        ).group_by(Job.kind, Job.status)
    ).all()
    now = now_of(session)
    stage_seconds, memory = _of_recent_jobs(session)
    return Figures(
        jobs={(kind, status): count for kind, status, count, *_ in counts},
        oldest_queued_seconds=_oldest_queued_seconds(session),
        attempts=_summed((row[0], row[3]) for row in counts),
        crashes=_summed((row[0], row[4]) for row in counts),
        faults=_summed((row[0], row[5]) for row in counts),
        stage_seconds=stage_seconds,
        job_memory_bytes=memory,
        workers=[
            WorkerFigures(
                worker.name, worker.device, state_of(worker, now), len(worker.job_ids), _numbers(worker.metrics)
            )
            for worker in workers.alive(session, worker_life)
        ],
        blobs={
            state: (count, int(size or 0))
            for state, count, size in session.execute(
                select(Blob.state, func.count(), func.sum(Blob.size_bytes)).group_by(Blob.state)
            )
        },
    )


def _oldest_queued_seconds(session: Session) -> float:
    """How long workers have let a job stand that they could have taken; before it could be, it has not waited."""
    now, before = now_of(session), aliased(Job)
    made_ready = case((before.finished_at > Job.created_at, before.finished_at), else_=Job.created_at)
    oldest = session.scalar(
        select(func.min(case((Job.run_after > made_ready, Job.run_after), else_=made_ready)))
        .outerjoin(before, before.id == Job.waits_for_job_id)
        .where(QUEUED, or_(Job.waits_for_job_id.is_(None), before.status == JobStatus.SUCCEEDED))
        .where(or_(Job.run_after.is_(None), Job.run_after <= now))
    )
    return 0.0 if oldest is None else max(0.0, (now - oldest).total_seconds())


def _of_recent_jobs(session: Session) -> tuple[dict[tuple[str, str], list[float]], float]:
    recent = (
        select(Job.kind, Job.metrics).where(Job.finished_at.is_not(None)).order_by(Job.id.desc()).limit(RECENT_JOBS)
    )
    seconds: dict[tuple[str, str], list[float]] = defaultdict(list)
    memory = 0.0
    for kind, metrics in session.execute(recent):
        for stage, value in _numbers(metrics.get("seconds") or {}).items():
            seconds[kind, stage].append(value)
        memory = max(memory, _numbers(metrics).get("peak_memory_bytes", 0.0))
    return dict(seconds), memory


def _summed(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    total: dict[str, int] = defaultdict(int)
    for kind, number in pairs:
        total[kind] += int(number)
    return dict(total)


def _numbers(values: dict[str, Any]) -> dict[str, float]:
    return {
        name: float(value)
        for name, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }

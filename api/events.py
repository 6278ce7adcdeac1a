"""A job's timeline as server-sent events: what happened, then what happens, until the job has ended."""

import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from api.edge.admission import Room
from core import logs
from core.db.tables import Job, JobEventRow
from core.domain.errors import NotFoundError
from core.domain.job import JobStatus
from core.services.jobs import Timeline

PAUSE_SECONDS = 0.5
HEARTBEAT_SECONDS = 15.0
Look = Callable[[int], Timeline]
"""Gives the job, and its events after a number; it blocks."""
_log = logs.get_logger(__name__)


async def event_stream(
    look: Look,
    found: Timeline | None,
    last_id: int,
    stopping: Callable[[], bool],
    room: Room,
    pause_seconds: float = PAUSE_SECONDS,
) -> AsyncIterator[str]:
    """The events of a job.

    What is in the timeline carries its number, so that a client goes on where it was cut off. Progress carries none:
    it is not kept.

    Args:
        look: for what came since.
        found: the first look, made before the answer began.
        last_id: what the client has seen.
        stopping: whether the server is about to end; clients come back by themselves.
        room: where no seat is free by now, nothing is told; they come back as well.
        pause_seconds: between two looks.
    """
    if not room.sit():
        return
    try:
        async for said in _told(look, found, last_id, stopping, pause_seconds):
            yield said
    finally:
        room.rise()


async def _told(
    look: Look, found: Timeline | None, last_id: int, stopping: Callable[[], bool], pause_seconds: float
) -> AsyncIterator[str]:
    progress: tuple[Any, ...] = ()
    spoke_at = time.monotonic()
    while found is not None and not stopping():
        job, rows = found
        ended = JobStatus(job.status).terminal
        if ended and not rows:
            return
        said = [_event(row) for row in rows]
        last_id = rows[-1].id if rows else last_id
        now = (job.stage, job.progress_done, job.progress_total)
        if job.status == JobStatus.RUNNING and now != progress:
            progress = now
            said.append(_progress(job))
        if not said and time.monotonic() - spoke_at > HEARTBEAT_SECONDS:
            said.append(": still here\n\n")
        if said:
            spoke_at = time.monotonic()
            yield "".join(said)
        if not ended:
            await anyio.sleep(pause_seconds)
        found = await _next(look, last_id)


async def _next(look: Look, last_id: int) -> Timeline | None:
    try:
        return await run_in_threadpool(look, last_id)
    except (NotFoundError, SQLAlchemyError):  # the client comes back with its Last-Event-ID, and is told then
        _log.info("events_cut_off")
        return None


def _event(row: JobEventRow) -> str:
    data = {"at": row.at.isoformat().replace("+00:00", "Z"), "attempt": row.attempt, **row.data}
    return f"id: {row.id}\nevent: {row.type}\ndata: {json.dumps(data)}\n\n"


def _progress(job: Job) -> str:
    data = {"stage": job.stage, "done": job.progress_done, "total": job.progress_total}
    return f"event: progress\ndata: {json.dumps(data)}\n\n"

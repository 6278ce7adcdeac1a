"""Stations: what stays the same when a worker's process begins anew, so that a broken one is known by its deaths.

A dead worker's row is the record of its death. Rows are written at the end of the reaper's transaction: who ends a job
locks its worker's row last, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from core.db.tables import JobEventRow, Worker
from core.db.workers import GONE
from core.domain.blame import DEATHS_ARE_REMEMBERED, MAX_LOSSES, is_to_blame, set_aside_for
from core.domain.job import JobEvent

SET_ASIDE = "set_aside"


@dataclass
class Inquest:
    """Of one round of the reaper.

    Attributes:
        now: the database's clock.
        blamed: station → the jobs that its workers died with, those of before included.
    """

    now: datetime
    blamed: dict[str, set[str]] = field(default_factory=dict)
    _deaths: dict[str, list[set[str]]] = field(default_factory=dict)
    _dead: dict[str, list[str]] = field(default_factory=dict)

    def blames_station(self, session: Session, worker_id: str | None, job_ids: Sequence[str]) -> bool:
        """Hear of a death, and say whether it was the station's fault.

        Args:
            session: the reaper's transaction; nothing is written yet.
            worker_id: who died.
            job_ids: what it had in hand.
        """
        station = session.scalar(select(Worker.station).where(Worker.id == worker_id))
        if worker_id is None or not station:  # a worker of a version before, or one that was forgotten
            return False
        self._dead[worker_id] = sorted(job_ids)
        deaths = self._deaths.setdefault(station, _deaths(session, station, self.now))
        deaths.append(set(job_ids))
        if not is_to_blame(deaths):
            return False
        self.blamed[station] = set().union(*deaths)
        return True

    def write(self, session: Session) -> None:
        """Write down who died, and set aside what is to blame."""
        for worker_id in sorted(self._dead):
            session.execute(
                update(Worker)
                .where(Worker.id == worker_id)
                .values(died_at=self.now, lost_job_ids=self._dead[worker_id])
                .execution_options(synchronize_session=False)
            )
        for station in sorted(self.blamed):
            until = self.now + set_aside_for(len(self._deaths[station]))
            session.execute(
                update(Worker)
                .where(Worker.station == station)
                .values(set_aside_until=until)
                .execution_options(synchronize_session=False)
            )


def _deaths(session: Session, station: str, now: datetime) -> list[set[str]]:
    """What a station's workers had in hand when they died, since one of them last ended a job with success."""
    success = session.scalar(select(func.max(Worker.succeeded_at)).where(Worker.station == station))
    since = max(now - DEATHS_ARE_REMEMBERED, success or now - DEATHS_ARE_REMEMBERED)
    query = select(Worker.lost_job_ids).where(Worker.station == station, Worker.died_at > since)
    return [set(lost or ()) for lost in session.scalars(query.order_by(Worker.died_at, Worker.id))]


def excuses(session: Session, job_id: str) -> bool:
    """Whether a job may lose its worker once more without a mark."""
    lost = (JobEvent.LEASE_LOST.value, JobEvent.WORKER_BLAMED.value)
    query = select(func.count()).select_from(JobEventRow)
    return (session.scalar(query.where(JobEventRow.job_id == job_id, JobEventRow.type.in_(lost))) or 0) < MAX_LOSSES


def succeeded(session: Session, worker_id: str | None, now: datetime) -> None:
    """A job succeeded there: what died before it was not the station's fault."""
    session.execute(
        update(Worker)
        .where(Worker.id == worker_id)
        .values(succeeded_at=now)
        .execution_options(synchronize_session=False)
    )


def set_aside_until(session: Session, station: str) -> datetime | None:
    """Until when a station was set aside last; for its next process."""
    return (
        session.scalar(select(func.max(Worker.set_aside_until)).where(Worker.station == station)) if station else None
    )


def is_set_aside(session: Session, worker_id: str, now: datetime) -> bool:
    """Whether a worker is to take no job at this moment."""
    worker = session.get(Worker, worker_id)
    return worker is not None and state_of(worker, now) == SET_ASIDE


def state_of(worker: Worker, now: datetime) -> str:
    """What a worker does, as it says, or that it is to do nothing."""
    aside = worker.set_aside_until is not None and worker.set_aside_until > now
    return SET_ASIDE if aside and worker.state != GONE else worker.state

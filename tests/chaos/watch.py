"""Looks at the database from outside, as the campaign goes on: who is at work, and how much is open."""

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from core.db.session import Database
from core.db.tables import Job, Worker
from core.domain.job import JobStatus

_MANY = 10**9


class Watch:
    """Of one campaign; where the database is away, nobody is at work and more than enough is open."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def busy(self) -> list[int]:
        """Pids of workers that hold a job."""
        query = select(Worker.name).join(Job, Job.worker_id == Worker.id).where(Job.status == JobStatus.RUNNING)
        try:
            with self.database.read() as session:
                return sorted({int(name.split("-")[-2]) for name in session.scalars(query)})
        except SQLAlchemyError:
            return []

    def open_jobs(self) -> int:
        """How many jobs have not ended."""
        try:
            with self.database.read() as session:
                return session.scalar(select(func.count()).select_from(Job).where(Job.finished_at.is_(None))) or 0
        except SQLAlchemyError:
            return _MANY

"""The tables of those who compute, and of what they computed for whom; `core.db.tables` has them too."""

from datetime import datetime
from typing import Any

from sqlalchemy import Float, ForeignKey, String, text
from sqlalchemy.orm import Mapped, mapped_column

from core.db.base import ID, Base
from core.db.types import Json


class Worker(Base):
    """A process that takes jobs.

    `station`: what stays the same when its process begins anew. `died_at`: when its lease was found over, with
    `lost_job_ids` in its hands. `set_aside_until`: it takes no job before, because the workers of its station died with
    one job after another.
    """

    __tablename__ = "workers"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    device: Mapped[str] = mapped_column(String(200))
    precision: Mapped[str] = mapped_column(String(16))
    priors: Mapped[list[Any]]
    state: Mapped[str] = mapped_column(String(16))
    job_ids: Mapped[list[Any]]
    metrics: Mapped[dict[str, Any]]
    started_at: Mapped[datetime]
    last_seen_at: Mapped[datetime] = mapped_column(index=True)
    station: Mapped[str] = mapped_column(String(200), default="", server_default=text("''"), index=True)
    succeeded_at: Mapped[datetime | None]
    died_at: Mapped[datetime | None]
    lost_job_ids: Mapped[list[Any] | None] = mapped_column(Json)
    set_aside_until: Mapped[datetime | None]


class ComputeUse(Base):
    """What workers computed for an owner on one day, by UTC; it stays when jobs and results go."""

    __tablename__ = "compute_use"
    owner_id: Mapped[str] = mapped_column(ID, ForeignKey("owners.id"), primary_key=True)
    day: Mapped[str] = mapped_column(String(10), primary_key=True)
    seconds: Mapped[float] = mapped_column(Float)

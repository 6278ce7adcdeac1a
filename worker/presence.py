"""This worker's row: who it is, what it computes on, when it was seen last."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from core.db import stations, workers
from core.db.session import Database, now_of
from core.db.tables import Worker
from core.domain.ids import Prefix, new_id


class Presence:
    """Written at the start, with every heartbeat, and at the end."""

    def __init__(
        self, database: Database, name: str, measure: Callable[[], Mapping[str, Any]], station: str = ""
    ) -> None:
        """Not there yet.

        Args:
            database: where.
            name: of the process.
            measure: numbers of its device, e.g. peak_memory_bytes.
            station: what stays the same when the process begins anew; empty: it is blamed for nothing.
        """
        self.station = station
        self._database = database
        self.name = name
        self.id = new_id(Prefix.WORKER)
        self.state = "starting"
        self._measure = measure

    def register(self, device: str, precision: str, priors: Sequence[str]) -> None:
        """Say that there is a worker.

        Args:
            device: what it computes on, e.g. "cuda: NVIDIA H100".
            precision: fp32 or bf16.
            priors: hashes of the priors it can load.
        """
        self.state = "idle"
        with self._database.write() as session:
            now = now_of(session)
            workers.register(
                session,
                Worker(
                    id=self.id,
                    name=self.name,
                    device=device,
                    precision=precision,
                    priors=list(priors),
                    state=self.state,
                    job_ids=[],
                    metrics=dict(self._measure()),
                    started_at=now,
                    last_seen_at=now,
                    station=self.station,
                    set_aside_until=stations.set_aside_until(session, self.station),
                ),
            )

    def seen(self, job_ids: Sequence[str]) -> None:
        """A sign of life, with what it does."""
        if self.state in ("idle", "busy"):
            self.state = "busy" if job_ids else "idle"
        with self._database.write() as session:
            workers.seen(session, self.id, self.state, job_ids, self._measure())

    def drains(self) -> None:
        """It takes nothing more; the next sign of life says so. Safe in a signal's handler."""
        self.state = "draining"

    def gone(self) -> None:
        """It has ended in an orderly way."""
        self.state = "gone"
        self.seen([])

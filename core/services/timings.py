"""How long a job runs, told from the last ones like it."""

import time
from math import nan
from statistics import median

from sqlalchemy.orm import Session

from core.db import outlook
from core.db.outlook import Alike, Work

UNKNOWN = nan
"""Seconds of work that was never measured; whatever is added to them is unknown too."""


class Timings:
    """Measured times, remembered for a moment: everybody who asks asks about the same few kinds of work."""

    def __init__(self) -> None:
        """Nothing was asked for yet."""
        self._runs: dict[Alike, list[tuple[float, int]]] = {}
        self._since = time.monotonic()

    def seconds(self, session: Session, work: Work, kept_seconds: float) -> float:
        """Usual seconds of a job: of those as large where there are such, else in proportion to the network's forwards.

        Args:
            session: asked where nothing is remembered.
            work: the job.
            kept_seconds: how long what was read serves.

        Returns:
            The median; UNKNOWN where nothing alike was measured.
        """
        runs = self._recent(session, work.alike, kept_seconds)
        same = [seconds for seconds, forwards in runs if forwards == work.forwards]
        scaled = [seconds / forwards * work.forwards for seconds, forwards in runs if forwards and work.forwards]
        return median(same or scaled) if same or scaled else UNKNOWN

    def _recent(self, session: Session, alike: Alike, kept_seconds: float) -> list[tuple[float, int]]:
        if time.monotonic() - self._since >= kept_seconds:
            self._runs, self._since = {}, time.monotonic()
        known = self._runs  # another thread may put a new one in its place
        if alike not in known:
            known[alike] = outlook.measured(session, alike)
        return known[alike]

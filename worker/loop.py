"""Claim, run, repeat: the queue is the database, and a ring only says when to look."""

import random
import threading
from collections import deque
from collections.abc import Callable, Sequence

from core import logs
from core.db import queue, stations
from core.db.session import Database, now_of
from core.domain.errors import InvalidRecipeError
from core.domain.job import JobKind
from core.recipes.schema import build_recipe
from worker.drain import Drain
from worker.held import HeldJob
from worker.patience import AWAY

_REMEMBERED = 1_000
"""Jobs that a worker knows it has taken; of those it may still be running in the database there are a few at most."""
_log = logs.get_logger(__name__)


class Loop:
    """Of one worker."""

    def __init__(
        self,
        database: Database,
        claim: queue.Claim,
        run: Callable[[Sequence[HeldJob]], None],
        drain: Drain,
        poll_seconds: float,
    ) -> None:
        """Bind.

        Args:
            database: the queue.
            claim: what this worker says of itself.
            run: runs jobs to their end.
            drain: ends the loop.
            poll_seconds: how often an idle worker looks, on average.
        """
        self._database = database
        self._claim = claim
        self._run = run
        self._drain = drain
        self._poll_seconds = poll_seconds
        self._wake = threading.Event()
        self._told: deque[tuple[str, int]] = deque(maxlen=_REMEMBERED)
        self._unsure = False

    def ring(self) -> None:
        """There may be work: look now. Safe from any thread, and in a signal's handler."""
        self._wake.set()

    def run_until_drained(self) -> None:
        """Take jobs until the worker is asked to stop."""
        while not self._drain.requested:
            self._wake.clear()  # before looking: who rings while we look is heard afterwards
            members = self._take_patiently()
            if members:
                self._run(members)
            else:
                # From half to one and a half, so that many workers do not ask all at once.
                self._wake.wait(self._poll_seconds * (0.5 + random.random()))  # noqa: S311  # nothing secret

    def run_until_empty(self) -> None:
        """Take jobs until none is left that may run now."""
        while not self._drain.requested and (members := self.take()):
            self._run(members)

    def take(self) -> list[HeldJob]:
        """Claim the first job, and of restorations those that fit into its batch; nothing while it is set aside."""
        try:
            members = self._take()
        except AWAY:
            self._unsure = True  # it may have been written, and only the answer lost
            raise
        self._unsure = False
        for member in members:
            self._told.append((member.id, member.attempt))
            _log.info("job_claimed", job_id=member.id, kind=member.job.kind, attempt=member.attempt)
        return members

    def _take(self) -> list[HeldJob]:
        with self._database.write() as session:
            if self._unsure:
                unheard = queue.give_back_unheard(session, self._claim.worker_id, self._told)
                if unheard:
                    _log.warning("unheard_claims_given_back", job_ids=unheard)
            if stations.is_set_aside(session, self._claim.worker_id, now_of(session)):
                return []
            leader = queue.claim(session, self._claim)
            if leader is None:
                return []
            jobs = [leader]
            if leader.kind == JobKind.RESTORATION:
                jobs += queue.claim_companions(session, leader, self._claim, _companions(leader.recipe, leader.options))
        return [HeldJob(job, together=len(jobs)) for job in jobs]

    def _take_patiently(self) -> list[HeldJob]:
        try:
            return self.take()
        except AWAY as error:
            _log.warning("queue_not_reached", error=error)
            return []


def _companions(recipe: dict[str, object], options: dict[str, object]) -> int:
    """How many more photos one batch on the device holds."""
    candidates = max(1, int(str(options.get("candidates", 1))))
    try:
        batch = build_recipe(recipe).restore.batch
    except InvalidRecipeError:  # of another version's making: the job will fail by that, and the queue must go on
        return 0
    return max(1, batch // candidates) - 1

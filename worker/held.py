"""One job that this worker holds: what the database said of it last, and what it is to be told."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from core.db.tables import Job


@dataclass(frozen=True)
class Report:
    """Progress that the database does not know yet.

    Attributes:
        stage: being done.
        done: steps of it, 0 … total.
        total: steps of it.
        begun: stages that began since the last report, in order.
    """

    stage: str
    done: int
    total: int
    begun: tuple[str, ...]


class HeldJob:
    """A claimed job. The heartbeat's thread writes what it learns; the thread that computes reads it between steps.

    Attributes:
        job: the row as it was when it was claimed, of no session any more.
        subject_ids: whose checkpoints it uses, or whose album it looks at; nothing is written once one of them is
            deleted.
        subjects: by checkpoint id, whose it is: of all that it may use, as they were when it was begun.
        mentioned_ids: subjects whom its result only names as who a face may be; it does without those who are deleted.
        lost: another worker has it now, or it was ended: nothing is written for it any more.
        cancel_requested: its owner wants it stopped.
        ending: this worker is writing its end; that the heartbeat finds it ended is no loss.
        ended: its end is written.
        confirmed_at: by the monotonic clock, when the database last said that it is ours.
        together: how many jobs were claimed with it, itself included: they share one run.
    """

    def __init__(self, job: Job, clock: Callable[[], float] = time.monotonic, together: int = 1) -> None:
        """As of now it is ours."""
        self.together = together
        self.job = job
        self.id, self.attempt, self.owner_id = job.id, job.attempt, job.owner_id
        self.subject_ids = {*job.options.get("subject_ids", []), job.subject_id} - {None}
        self.subjects: Mapping[str, str] = {}
        self.mentioned_ids: frozenset[str] = frozenset()
        self.lost = False
        self.cancel_requested = False
        self.ending = False
        self.ended = False
        self.clock = clock
        self.begun_at = self.confirmed_at = self._seen_at = clock()
        self._seconds: dict[str, float] = defaultdict(float)
        self._lock = threading.Lock()
        self._progress = ("", 0, 0)
        self._changed = False
        self._begun: list[str] = []

    def begins_alone(self) -> None:
        """Its batch came to nothing, and it is run by itself from now on: its time begins anew, and is its own."""
        self.together = 1
        self.begun_at = self._seen_at = self.clock()

    @property
    def open(self) -> bool:
        """Whether there is still something to do for it."""
        return not (self.lost or self.ended)

    @property
    def run_seconds(self) -> float:
        """Its share of the time since it was claimed: what an estimate of the next ones may add up."""
        return (self.clock() - self.begun_at) / self.together

    @property
    def stage_seconds(self) -> dict[str, float]:
        """What each stage took until now; the companions of a batch share their stages."""
        with self._lock:
            return {stage: round(seconds, 3) for stage, seconds in self._seconds.items()}

    def progressed(self, stage: str, done: int, total: int) -> None:
        """Steps of a stage are finished; what passed since the last call counts for it."""
        now = self.clock()
        with self._lock:
            self._seconds[stage] += now - self._seen_at
            self._seen_at = now
            if stage != self._progress[0]:
                self._begun.append(stage)
            self._changed = self._changed or self._progress != (stage, done, total)
            self._progress = (stage, done, total)

    @property
    def has_news(self) -> bool:
        """Whether `take_report` would give one."""
        return self._changed

    def take_report(self) -> Report | None:
        """What the database does not know yet, or None."""
        with self._lock:
            if not self._changed:
                return None
            report = Report(*self._progress, begun=tuple(self._begun))
            self._changed = False
            self._begun.clear()
            return report

    def give_back(self, report: Report) -> None:
        """A report that could not be written: the next one says it again."""
        with self._lock:
            self._changed = True
            self._begun[:0] = report.begun

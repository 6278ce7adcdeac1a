"""What the operator decided, as far as use cases need it: values, not settings."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class Terms:
    """For how long things are kept, and what counts as alive.

    Attributes:
        photo_life: photos and results.
        checkpoint_life: checkpoints since their last use, unless pinned.
        worker_life: a worker that was not heard of for so long is taken for gone.
        max_open_jobs: of one owner, queued and running.
        max_queued_jobs: of all owners.
        max_compute_seconds: of workers' time for one owner on one day; 0: no limit.
    """

    photo_life: timedelta = timedelta(days=30)
    checkpoint_life: timedelta = timedelta(days=90)
    worker_life: timedelta = timedelta(seconds=60)
    max_open_jobs: int = 1_000
    max_queued_jobs: int = 10_000
    max_compute_seconds: int = 0

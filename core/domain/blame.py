"""Who is to blame for a worker's death: the job that it had in hand, or the worker itself.

A job that was there each time may be what kills workers: it is quarantined. Where one died after another, and never
with the same job, it is the place where they stand: its device, its driver, its memory.
"""

from collections.abc import Sequence, Set
from datetime import timedelta

from core.domain.job import MAX_CRASHES, backoff

DEATHS_TO_BLAME = 3
"""As many as would quarantine a job."""
MAX_LOSSES = 2 * MAX_CRASHES
"""How often a job may lose its worker at all, whoever is to blame: jobs that all kill would blame workers for ever."""
DEATHS_ARE_REMEMBERED = timedelta(hours=1)
_LONGEST = timedelta(hours=1)
_MOST = 10
"""From here on the backoff is longer than that, and soon than what a timedelta holds."""


def is_to_blame(deaths: Sequence[Set[str]]) -> bool:
    """Whether a station is to blame, and not the jobs.

    Args:
        deaths: the jobs that its workers had in hand when they died, oldest first, since one last succeeded there.
    """
    last = deaths[-DEATHS_TO_BLAME:]
    together = {job_id for jobs in last for job_id in jobs}
    return len(last) == DEATHS_TO_BLAME and len(together) == sum(len(jobs) for jobs in last)


def set_aside_for(deaths: int) -> timedelta:
    """How long a station that is to blame takes no job: longer with each death in a row, at most an hour."""
    return min(_LONGEST, backoff(min(deaths, _MOST)))

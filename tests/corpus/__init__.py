"""Files that somebody might send to do harm, made by these modules when they are needed; none is kept.

The whole, with a table of what became of it:

    python -m tests.corpus

and through a running service, API and worker:

    python -m tests.corpus.served

and what a service has stored itself, damaged bit by bit:

    python -m tests.corpus.flips
"""

from tests.corpus import photos, tiffs, zips
from tests.corpus.case import Case


def all_cases() -> list[Case]:
    """Every case, in the same order each time."""
    return [*photos.cases(), *tiffs.cases(), *zips.cases()]

"""Sending the corpus where uploads go, and looking at what becomes of it."""

import os
import resource
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO

from core.domain.errors import HeirloomError
from core.imaging.archive import photos_of_zip, read_album_zip
from core.imaging.decode_pool import DecodePool
from tests.corpus.case import DECODED, Case


@dataclass(frozen=True)
class Finding:
    """What became of one case.

    Attributes:
        case: see there.
        outcome: the error's code, or `decoded`.
        seconds: it took.
        ended_process: whether it cost the pool a process.
        wrong: what should not be; empty where all is well.
    """

    case: Case
    outcome: str
    seconds: float
    ended_process: bool
    wrong: str


def examine(cases: Iterable[Case], pool: DecodePool) -> Iterator[Finding]:
    """Send each case; photos through the pool, twice: as the API decodes them, and as originals."""
    for case in cases:
        data = case.make()
        before, started = pool.run(os.getpid), time.monotonic()
        outcome, wrong = _zip_outcome(data) if case.kind == "zip" else _photo_outcome(data, pool)
        seconds = time.monotonic() - started
        if not wrong and outcome not in case.outcomes:
            wrong = f"expected {' or '.join(sorted(case.outcomes))}"
        yield Finding(case, outcome, seconds, pool.run(os.getpid) != before, wrong)


def peak_memory_bytes() -> int:
    """The most that this process or any ended child of it has held."""
    return 1024 * max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def _photo_outcome(data: bytes, pool: DecodePool) -> tuple[str, str]:
    outcomes = []
    for decode in (pool.decode, pool.read):
        try:
            decode(data)
            outcomes.append(DECODED)
        except HeirloomError as error:
            if not (error.message and error.advice):
                return error.code, "an error without words"
            outcomes.append(error.code)
        except Exception as error:
            return type(error).__name__, f"an exception that is none of ours: {error}"
    return outcomes[-1], ""


def _zip_outcome(data: bytes) -> tuple[str, str]:
    try:
        names = [photo.name for photo in photos_of_zip(BytesIO(data))]
        if not names:
            read_album_zip(data)  # says so itself
    except HeirloomError as error:
        return error.code, "" if error.message and error.advice else "an error without words"
    except Exception as error:
        return type(error).__name__, f"an exception that is none of ours: {error}"
    return DECODED, "a name that is a path" if any("/" in name for name in names) else ""

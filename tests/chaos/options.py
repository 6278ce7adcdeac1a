"""What can be chosen of a campaign."""

import argparse
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tests.chaos.plan import Kind, Pace

FOLDER = Path("runs/chaos")


class Mode(StrEnum):
    """What is run."""

    SERVER = "server"
    """Postgres, Redis, the API, and workers as bare loops, forked by a process that has loaded torch."""
    CELERY = "celery"
    """The same with workers as `heirloom worker` starts them: Celery, its child, the doorbell over Redis."""
    EMBEDDED = "embedded"
    """SQLite, a folder of blobs, no broker; workers as forked bare loops."""


@dataclass(frozen=True)
class Options:
    """A campaign.

    Attributes:
        mode: what is run.
        seed: of the plan and of the client.
        seconds: of faults; what is open then is waited for.
        workers: at any time.
        lease_seconds: of the service.
        backoff_seconds: before a job whose worker died is taken again, for the first time.
        postgres_seconds: how long Postgres stays away.
        pace: how much faster than usual faults come.
        only: the kinds that come; empty: all that the mode has.
        without_fence: whether workers are let write whatever attempt they are of: then something must be found.
        keep: whether its files stay.
        folder: for what is written down, and for the ledger of campaigns, to which each adds a line.
    """

    mode: Mode = Mode.SERVER
    seed: int = 1
    seconds: float = 600.0
    workers: int = 8
    lease_seconds: float = 4.0
    backoff_seconds: float = 1.0
    postgres_seconds: float = 3.0
    pace: float = 1.0
    only: tuple[Kind, ...] = ()
    without_fence: bool = False
    keep: bool = False
    folder: Path = FOLDER

    @property
    def faults(self) -> Pace:
        """How often each kind comes."""
        usual = EVERY_SECONDS[self.mode]
        # However short a campaign is, each of its kinds comes once.
        every = {
            kind: min(each / self.pace, self.seconds)
            for kind, each in usual.items()
            if not self.only or kind in self.only
        }
        # Beyond the lease, and long enough for the reaper to come by.
        return Pace(every, 1.25 * self.lease_seconds + 1.0, postgres_seconds=self.postgres_seconds)


WORKERS = {Mode.SERVER: 8, Mode.CELERY: 3, Mode.EMBEDDED: 4}
_WORKERS = {
    Kind.KILL: 2.2,
    Kind.POINT_KILL: 1.2,
    Kind.ZOMBIE: 4.0,
    Kind.POINT_ZOMBIE: 3.0,
    Kind.DRAIN: 10.0,
    Kind.API_KILL: 60.0,
}
_SERVER = {
    **_WORKERS,
    Kind.RESET: 2.0,
    Kind.CUT: 30.0,
    Kind.REDIS_KILL: 40.0,
    Kind.REDIS_FLUSH: 40.0,
    Kind.REDIS_HANG: 60.0,
    Kind.REDIS_ABSENT: 60.0,
    Kind.POSTGRES_STOP: 60.0,
    Kind.DISK_BLOBS: 90.0,
    Kind.DISK_HOME: 60.0,
}
EVERY_SECONDS = {
    Mode.SERVER: _SERVER,
    # A child takes seconds to come back: faults that need one come more seldom, Redis' more often.
    Mode.CELERY: {
        Kind.KILL: 12.0,
        Kind.POINT_KILL: 12.0,
        Kind.ZOMBIE: 20.0,
        Kind.RESET: 10.0,
        Kind.DRAIN: 20.0,
        Kind.REDIS_KILL: 12.0,
        Kind.REDIS_FLUSH: 12.0,
        Kind.REDIS_HANG: 25.0,
        Kind.REDIS_ABSENT: 25.0,
        Kind.API_KILL: 120.0,
        Kind.POSTGRES_STOP: 120.0,
    },
    Mode.EMBEDDED: {**_WORKERS, Kind.DISK_BLOBS: 60.0, Kind.DISK_HOME: 60.0},
}


def parsed(arguments: list[str]) -> Options:
    """From a command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Do harm to a service, and look.")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--embedded", action="store_const", dest="mode", const=Mode.EMBEDDED, help="SQLite and a folder")
    mode.add_argument("--celery", action="store_const", dest="mode", const=Mode.CELERY, help="workers under Celery")
    parser.add_argument("--minutes", type=float, default=10.0, help="of faults; default 10")
    parser.add_argument("--seed", type=int, default=1, help="of plan and client; default 1")
    parser.add_argument("--workers", type=int, help="at any time; default 8, embedded 4, under Celery 3")
    parser.add_argument("--lease", type=float, default=4.0, help="seconds; default 4")
    parser.add_argument("--backoff", type=float, default=1.0, help="seconds before a lost job's second try; default 1")
    parser.add_argument("--postgres-away", type=float, default=3.0, help="seconds; default 3")
    parser.add_argument("--pace", type=float, default=1.0, help="2: faults come twice as often")
    parser.add_argument("--only", nargs="+", type=Kind, default=(), metavar="KIND", help=", ".join(Kind))
    parser.add_argument("--without-fence", action="store_true", help="break the service: something must be found then")
    parser.add_argument("--keep", action="store_true", help="leave logs and ledgers where they are, and say where")
    parser.add_argument("--folder", type=Path, default=FOLDER, help=f"for what is written; default {FOLDER}")
    given = parser.parse_args(arguments)
    mode_ = given.mode or Mode.SERVER
    return Options(
        mode=mode_,
        seed=given.seed,
        seconds=60.0 * given.minutes,
        workers=given.workers or WORKERS[mode_],
        lease_seconds=given.lease,
        backoff_seconds=given.backoff,
        postgres_seconds=given.postgres_away,
        pace=given.pace,
        only=tuple(given.only),
        without_fence=given.without_fence,
        keep=given.keep,
        folder=given.folder,
    )

"""Which lost leases are a fault's work, and which nobody can explain."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from tests.chaos.effects import Effect
from tests.chaos.fleet import Ended
from tests.chaos.journal import Done
from tests.chaos.plan import Kind

_LOST = ("lease_lost", "worker_blamed", "quarantined", "cancelled")
"""What the reaper writes with the worker's id: the third loss quarantines, and who wanted it stopped has his will."""
_HITS = (Kind.KILL, Kind.POINT_KILL, Kind.ZOMBIE, Kind.POINT_ZOMBIE, Kind.DRAIN)
_AWAY = (Kind.POSTGRES_STOP,)
_FULL = (Kind.DISK_BLOBS, Kind.DISK_HOME)


@dataclass(frozen=True)
class Loss:
    """A lease that was lost.

    Attributes:
        job_id: whose.
        at: when the reaper took the job back.
        worker_id: that had it.
        cause: the fault that its worker met; None: nothing was done to it.
        died_at: of a worker that died: when.
    """

    job_id: str
    at: float
    worker_id: str
    cause: Done | None
    died_at: float | None = None


def workers_of(effects: Sequence[Effect]) -> dict[int, set[str]]:
    """Worker ids by pid: a worker's name says its pid."""
    found: dict[int, set[str]] = defaultdict(set)
    for effect in effects:
        if effect.what == "worker":
            found[int(effect.detail.split("-")[-2])].add(effect.worker_id)
    return found


def losses(effects: Sequence[Effect], done: Sequence[Done], ended: Sequence[Ended]) -> list[Loss]:
    """Every lost lease, with what its worker had met before."""
    pids = {worker_id: pid for pid, ids in workers_of(effects).items() for worker_id in ids}
    hits: dict[int, list[Done]] = defaultdict(list)
    for one in done:
        if one.kind in _HITS and one.pid:
            hits[one.pid].append(one)
    died = {one.pid: one.at for one in ended}
    found = []
    for effect in effects:
        word, _, worker_id = effect.detail.partition(" ")
        if effect.what == "event" and word in _LOST and worker_id:
            pid = pids.get(worker_id, 0)
            before = [one for one in hits.get(pid, []) if one.at <= effect.at]
            cause = before[-1] if before else None
            found.append(Loss(effect.job_id, effect.at, worker_id, cause, died.get(pid)))
    return found


def zombies(all_losses: Sequence[Loss], done: Sequence[Done]) -> int:
    """How many stopped workers lost a job while they stood still, and came back."""
    stops = [one for one in done if one.kind in (Kind.ZOMBIE, Kind.POINT_ZOMBIE)]
    lost = {
        (loss.cause.pid, loss.cause.at) for loss in all_losses if loss.cause is not None and loss.at <= loss.cause.until
    }
    return sum((one.pid, one.at) in lost for one in stops)


def unexplained(all_losses: Sequence[Loss]) -> list[Loss]:
    """Those whose worker had met nothing: the machine was too busy for its heartbeat, or something is wrong."""
    return [loss for loss in all_losses if loss.cause is None]


def falsely_dead(all_losses: Sequence[Loss], done: Sequence[Done], lease_seconds: float) -> list[Loss]:
    """The unexplained ones while Postgres was away, or within two leases of its return."""
    windows = [(one.at, one.until + 2 * lease_seconds) for one in done if one.kind in _AWAY]
    full = [(one.at, one.until + 2 * lease_seconds) for one in done if one.kind in _FULL]
    return [
        loss
        for loss in unexplained(all_losses)
        if any(begin <= loss.at <= end for begin, end in windows)
        and not any(begin <= loss.at <= end for begin, end in full)
    ]

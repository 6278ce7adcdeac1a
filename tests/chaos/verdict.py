"""What the ledgers prove: nothing lost, doubled or stuck, and nothing written by who had lost its right to it.

A pure function of what was written down.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.chaos.blame import Loss, falsely_dead, losses, workers_of
from tests.chaos.effects import Effect
from tests.chaos.fleet import Ended
from tests.chaos.journal import Done
from tests.chaos.ledger import Entry
from tests.chaos.outcomes import TERMINAL, Outcome
from tests.chaos.plan import Kind

_HELD_TO_ITS_END = ("running", "succeeded")
_TRANSIENT = ("storage_error", "disk_full", "blob_missing")
_FULL = (Kind.DISK_BLOBS, Kind.DISK_HOME)
_CRASHES_TO_QUARANTINE = 3
_START_SECONDS = 5.0


@dataclass(frozen=True)
class Finding:
    """Something that must not be.

    Attributes:
        kind: lost, doubled, stuck, stale, unexplained_end, false_crash, died, internal_error.
        text: what exactly.
    """

    kind: str
    text: str


@dataclass(frozen=True)
class Evidence:
    """Everything that was written down.

    Attributes:
        outcomes: of every accepted job.
        asked: every request, accepted or not.
        made: jobs by seed.
        effects: the database's own log.
        done: the faults.
        ended: the workers' ends.
        statuses: how often each status was answered.
        lease_seconds: of the service.
    """

    outcomes: Sequence[Outcome]
    asked: Sequence[Entry]
    made: Mapping[int, int]
    effects: Sequence[Effect]
    done: Sequence[Done]
    ended: Sequence[Ended]
    statuses: Mapping[int, int]
    lease_seconds: float


def findings(evidence: Evidence) -> list[Finding]:
    """Everything that must not be; empty where all is as promised."""
    all_losses = losses(evidence.effects, evidence.done, evidence.ended)
    return [
        *_lost(evidence),
        *_doubled(evidence),
        *_stale(evidence.effects),
        *_ends(evidence, all_losses),
        *(
            Finding("false_crash", f"{loss.job_id} was taken from {loss.worker_id}, which lived")
            for loss in falsely_dead(all_losses, evidence.done, evidence.lease_seconds)
        ),
        *_died(evidence),
    ]


def _lost(evidence: Evidence) -> Iterator[Finding]:
    for outcome in evidence.outcomes:
        name = f"{outcome.entry.kind} {outcome.entry.job_id}"
        if not outcome.status:
            yield Finding("lost", f"{name} was accepted, and is not there: {outcome.code}")
        elif outcome.status not in TERMINAL:
            yield Finding("stuck", f"{name} is {outcome.status}, attempt {outcome.attempt}")
        elif outcome.status == "succeeded" and outcome.result != 200:
            yield Finding("lost", f"{name} succeeded, and its result is answered {outcome.result}")


def _doubled(evidence: Evidence) -> Iterator[Finding]:
    seeds = {entry.seed: entry for entry in evidence.asked}
    for seed, count in evidence.made.items():
        if count > 1:
            yield Finding(
                "doubled", f"{seeds[seed].key if seed in seeds else seed} was asked for once, and made {count} jobs"
            )
    for entry in evidence.asked:
        if entry.job_id and not evidence.made.get(entry.seed):
            yield Finding("lost", f"{entry.kind} {entry.job_id} has no row")
    counts: Counter[tuple[str, str, str]] = Counter()
    for effect in evidence.effects:
        word = effect.detail.partition(" ")[0]
        if effect.what == "event" and word in TERMINAL:
            counts[effect.job_id, "end", ""] += 1
        elif effect.what == "event" and word == "claimed":
            counts[effect.job_id, "claim", str(effect.attempt)] += 1
        elif effect.what in ("candidate", "checkpoint", "told"):
            counts[effect.job_id, effect.what, effect.detail] += 1
    for (job_id, what, detail), count in counts.items():
        if count > 1:
            yield Finding("doubled", f"{count} times {what} {detail} of {job_id}")


def _stale(effects: Sequence[Effect]) -> Iterator[Finding]:
    mine = {str(pid): ids for pid, ids in workers_of(effects).items()}
    over: set[str] = set()
    for effect in effects:
        text = f"{effect.what} {effect.detail} of {effect.job_id}, attempt {effect.attempt} of {effect.held_attempt}"
        not_its = bool(effect.writer and effect.worker_id) and effect.worker_id not in mine.get(effect.writer, ())
        if (
            effect.what == "output"
            and (effect.attempt != effect.held_attempt or effect.held_status != "running" or not_its)
        ) or (effect.what in ("candidate", "checkpoint") and (effect.held_status not in _HELD_TO_ITS_END or not_its)):
            yield Finding("stale", f"{text}, which was {effect.held_status}, by {effect.writer}")
        elif effect.what == "event" and effect.attempt != effect.held_attempt:
            yield Finding("stale", text)
        elif effect.what == "job":
            before, _, after = effect.detail.partition(">")
            if effect.attempt not in (effect.held_attempt, effect.held_attempt + 1):
                yield Finding("stale", text)
            if before == "running" and after in ("running", "succeeded", "failed") and not_its:
                yield Finding("stale", f"{text}, by {effect.writer}, who does not hold it")
            if effect.job_id in over and before != after:
                yield Finding("doubled", f"{text}: it had ended")
            if after in TERMINAL:
                over.add(effect.job_id)


def _ends(evidence: Evidence, all_losses: Sequence[Loss]) -> Iterator[Finding]:
    """Failed, cancelled or quarantined without a reason that the campaign gave."""
    crashes: dict[str, int] = defaultdict(int)
    for loss in all_losses:
        crashes[loss.job_id] += 1
    disk_was_full = any(one.kind in _FULL for one in evidence.done)
    for outcome in evidence.outcomes:
        entry, reason = outcome.entry, ""
        if outcome.status == "failed":
            expected = outcome.code in entry.may_fail or (disk_was_full and outcome.code in _TRANSIENT)
            reason = "" if expected else f"failed by {outcome.code}"
        elif outcome.status == "cancelled":
            reason = "" if entry.cancelled else "was cancelled by nobody"
        elif outcome.status == "quarantined":
            enough = crashes[entry.job_id] >= _CRASHES_TO_QUARANTINE
            reason = "" if enough else f"is quarantined after {crashes[entry.job_id]} lost workers"
        elif outcome.status == "expired":
            reason = "expired without a deadline"
        if reason:
            yield Finding("unexplained_end", f"{entry.kind} {entry.job_id} {reason}")
        elif outcome.status == "succeeded" and entry.kind == "unreadable":
            yield Finding("unexplained_end", f"{entry.job_id} made a photo of what is none")


def _died(evidence: Evidence) -> Iterator[Finding]:
    """Processes that ended by themselves, and answers that are nobody's fault but ours."""
    killed = {one.pid for one in evidence.done if one.kind in (Kind.KILL, Kind.POINT_KILL)}
    told = {one.pid for one in evidence.done if one.kind is Kind.DRAIN}
    # Celery's parent does not start while the database is away, and says so; it is begun again.
    away = [(one.at, one.until + _START_SECONDS) for one in evidence.done if one.kind is Kind.POSTGRES_STOP]
    for one in evidence.ended:
        refused = one.code == 1 and any(begin <= one.at <= end for begin, end in away)
        if one.code != 0 and not refused and one.pid not in killed and one.pid not in told:
            yield Finding("died", f"worker {one.pid} ended with {one.code}")
    if evidence.statuses.get(500):
        yield Finding("internal_error", f"{evidence.statuses[500]} answers were 500")

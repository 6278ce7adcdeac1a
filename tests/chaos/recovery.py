"""How long it took until things were as before."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from tests.chaos.blame import Loss
from tests.chaos.effects import Effect
from tests.chaos.journal import Done
from tests.chaos.ledger import Entry
from tests.chaos.plan import Kind

REDIS = (Kind.REDIS_KILL, Kind.REDIS_FLUSH, Kind.REDIS_HANG, Kind.REDIS_ABSENT)


@dataclass(frozen=True)
class Times:
    """Seconds: how many, the one in the middle, the 95th of a hundred, the longest."""

    count: int
    median: float
    p95: float
    longest: float


def times_of(seconds: Sequence[float]) -> Times | None:
    """None where there are none."""
    ordered = sorted(seconds)
    if not ordered:
        return None
    at = lambda share: round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 2)  # noqa: E731  # used here alone
    return Times(len(ordered), at(0.5), at(0.95), round(ordered[-1], 2))


def recoveries(
    effects: Sequence[Effect], done: Sequence[Done], all_losses: Sequence[Loss], accepted: Sequence[Entry]
) -> dict[str, Times]:
    """By what was harmed: workers (until their job is taken again), Redis (until what was accepted meanwhile is
    begun), Postgres (from its return until a job is taken or ended)."""
    claims: dict[str, list[float]] = defaultdict(list)
    moves = []
    for effect in effects:
        if effect.what == "event" and effect.detail.startswith("claimed"):
            claims[effect.job_id].append(effect.at)
        if effect.what == "event" and effect.detail.partition(" ")[0] in ("claimed", "succeeded"):
            moves.append(effect.at)
    moves.sort()
    found: dict[str, list[float]] = defaultdict(list)
    for loss in all_losses:
        if loss.cause is not None:
            again = [at for at in claims[loss.job_id] if at >= loss.at]
            if again:
                what = "zombie" if loss.cause.kind in (Kind.ZOMBIE, Kind.POINT_ZOMBIE) else "kill"
                found[what].append(again[0] - loss.cause.at)
    for one in done:
        if one.kind is Kind.POSTGRES_STOP:
            place = bisect_left(moves, one.until)
            if place < len(moves):
                found["postgres"].append(moves[place] - one.until)
        elif one.kind in REDIS:
            meanwhile = [entry for entry in accepted if one.at <= entry.accepted_at <= one.until + 1.0]
            begun = [claims[entry.job_id][0] - entry.accepted_at for entry in meanwhile if claims[entry.job_id]]
            found["redis"] += [max(0.0, each) for each in begun]
    return {what: times for what, each in sorted(found.items()) if (times := times_of(each)) is not None}

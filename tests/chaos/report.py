"""What a campaign has to say: for people, and as one line of JSON, so that the counts of many add up."""

import hashlib
import json
import os
import subprocess
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.chaos.blame import Loss, unexplained, zombies
from tests.chaos.options import Options
from tests.chaos.plan import Kind, named_points
from tests.chaos.recovery import REDIS, Times
from tests.chaos.verdict import Evidence, Finding

_MOST_SHOWN = 40


@dataclass(frozen=True)
class Report:
    """A campaign, in numbers.

    Attributes:
        values: all of it, as JSON has it.
        findings: what must not be.
    """

    values: Mapping[str, Any]
    findings: Sequence[Finding]


def report_of(
    options: Options,
    evidence: Evidence,
    found: Sequence[Finding],
    all_losses: Sequence[Loss],
    times: Mapping[str, Times],
    seconds: float,
    missed: Mapping[Kind, int],
    problems: Sequence[str],
) -> Report:
    """Put together what was found."""
    kinds = Counter(one.kind for one in evidence.done)
    points = Counter(one.point for one in evidence.done if one.kind is Kind.POINT_KILL)
    values = {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": commit(),
        "queue": queue_hash(),
        "mode": str(options.mode),
        "seed": options.seed,
        "minutes": options.seconds / 60,
        "lease_seconds": options.lease_seconds,
        "backoff_seconds": options.backoff_seconds,
        "workers": options.workers,
        "pace": options.pace,
        "without_fence": options.without_fence,
        "only": [str(kind) for kind in options.only],
        "seconds": round(seconds, 1),
        "cores": os.cpu_count(),
        "jobs": len(evidence.outcomes),
        "ends": dict(Counter(outcome.status or "absent" for outcome in evidence.outcomes)),
        "answers": {str(status): count for status, count in sorted(evidence.statuses.items())},
        "faults": {str(kind): kinds[kind] for kind in Kind if kinds[kind]},
        "missed": {str(kind): count for kind, count in missed.items()},
        "zombies_that_lost_a_job": zombies(all_losses, evidence.done),
        "leases_lost": len(all_losses),
        "leases_lost_unexplained": len(unexplained(all_losses)),
        "killed_at": {point: points[point] for point in named_points()},
        "effects": len(evidence.effects),
        "recovery": {what: asdict(each) for what, each in times.items()},
        "findings": dict(Counter(finding.kind for finding in found)),
        "problems": sorted(set(problems))[:_MOST_SHOWN],
    }
    return Report(values, found)


def appended(report: Report, ledger: Path) -> None:
    """One more line in the ledger of campaigns."""
    ledger.parent.mkdir(parents=True, exist_ok=True)
    with ledger.open("a") as file:
        file.write(f"{json.dumps(report.values)}\n")


def printed(report: Report) -> str:
    """For people."""
    values = report.values
    lines = [
        f"seed {values['seed']}, {values['mode']}, commit {values['commit']}, queue {values['queue']}, "
        f"{values['seconds']:.0f} s, {values['workers']} workers, lease {values['lease_seconds']:g} s",
        f"jobs    {values['jobs']} accepted: {_counts(values['ends'])}",
        f"answers {_counts(values['answers'])} (0: the connection broke)",
        f"faults  {_counts(values['faults'])}",
        f"        {values['zombies_that_lost_a_job']} zombies had lost their job; "
        f"{values['leases_lost']} leases were lost, {values['leases_lost_unexplained']} by nobody's doing",
        "killed at (named points)",
        *(f"  {count:4d} {point}" for point, count in values["killed_at"].items()),
    ]
    for what, times in values["recovery"].items():
        median, p95, longest = times["median"], times["p95"], times["longest"]
        lines.append(f"recovery {what}: median {median} s, p95 {p95} s, max {longest} s of {times['count']}")
    lines += [f"problem {problem}" for problem in values["problems"]]
    lines += [f"FINDING {finding.kind}: {finding.text}" for finding in report.findings[:_MOST_SHOWN]]
    lines.append(f"verdict {_counts(values['findings']) or '0 lost, 0 doubled, 0 stuck, 0 stale'}")
    return "\n".join(lines)


def summed(ledger: Path, queue: str | None = None) -> str:
    """All campaigns of a ledger, by mode; those of one state of the queue's code, where it is named."""
    lines = [json.loads(line) for line in ledger.read_text().splitlines()] if ledger.exists() else []
    chosen = [line for line in lines if queue in (None, line["queue"]) and not line["without_fence"]]
    out = [f"{len(chosen)} campaigns of {len({line['queue'] for line in chosen})} states of the queue's code"]
    for mode in sorted({line["mode"] for line in chosen}):
        of_mode = [line for line in chosen if line["mode"] == mode]
        out += [
            f"{mode}: seeds {sorted(line['seed'] for line in of_mode)}",
            *(f"  {line}" for line in _summed(of_mode)),
        ]
    out += ["all", *(f"  {line}" for line in _summed(chosen))]
    points = _added(line["killed_at"] for line in chosen)
    out += ["killed at (named points)", *(f"  {count:4d} {point}" for point, count in sorted(points.items()))]
    return "\n".join(out)


def _summed(lines: Sequence[Mapping[str, Any]]) -> list[str]:
    faults = _added(line["faults"] for line in lines)
    return [
        f"{sum(line['minutes'] for line in lines):g} minutes of faults, {sum(line['jobs'] for line in lines)} jobs: "
        f"{_counts(_added(line['ends'] for line in lines))}",
        f"answers {_counts(_added(line['answers'] for line in lines))}",
        f"faults {_counts(faults)}",
        f"Redis {sum(faults.get(kind, 0) for kind in REDIS)}; "
        f"{sum(line['zombies_that_lost_a_job'] for line in lines)} zombies had lost their job; "
        f"{sum(line['leases_lost_unexplained'] for line in lines)} leases lost by nobody's doing",
        f"findings {_counts(_added(line['findings'] for line in lines)) or 'none'}",
    ]


def _added(counts: Any) -> dict[str, int]:  # an iterable of mappings
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return dict(total)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


def commit() -> str:
    """Of the checkout; with a plus where it was changed since."""
    described = _git("describe", "--always", "--abbrev=7", "--match=", "--dirty=+")
    return described or "unknown"


QUEUE = (
    *(f"core/db/{name}.py" for name in ("queue", "reaper", "stations", "turns", "workers")),
    *(f"core/domain/{name}.py" for name in ("job", "blame")),
    "core/services/reaping.py",
    *(
        f"worker/{name}.py"
        for name in ("artifacts", "drain", "endings", "fence", "heartbeat", "held", "loop", "patience")
    ),
)
"""Counts add up as long as these are unchanged."""


def queue_hash() -> str:
    """The state of the queue's code."""
    digest = hashlib.sha256()
    for place in QUEUE:
        digest.update(Path(place).read_bytes())
    return digest.hexdigest()[:8]


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], capture_output=True, text=True, check=False)  # noqa: S603, S607  # our own
    return done.stdout.strip()

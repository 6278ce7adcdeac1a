"""`python -m tests.corpus`: the whole corpus, a table, and status 1 where anything was wrong."""

import sys
from collections import Counter

from core.imaging.decode_pool import DecodePool
from tests.corpus import all_cases, photos
from tests.corpus.run import Finding, examine, peak_memory_bytes

_MAX_SECONDS = 5.0
_MAX_BYTES = 1.5 * 2**30


def main() -> int:
    """Examine everything."""
    cases = all_cases()
    findings: list[Finding] = []
    with DecodePool() as pool:
        for finding in examine(cases, pool):
            findings.append(finding)
            if finding.wrong:
                print(f"WRONG {finding.case.name}: {finding.outcome}; {finding.wrong}", flush=True)  # noqa: T201  # it reports
    malicious = peak_memory_bytes()
    large = []
    for case in photos.largest():
        with DecodePool() as pool:  # each its own process, so that one's memory is not another's
            large += examine([case], pool)
    table = Counter((finding.case.kind, finding.outcome) for finding in findings)
    slowest = max(findings, key=lambda finding: finding.seconds)
    peak = peak_memory_bytes()
    lines = [f"{kind:6} {outcome:20} {count:5}" for (kind, outcome), count in sorted(table.items())]
    lines += [
        f"{len(findings)} files; {sum(bool(finding.wrong) for finding in findings)} wrong",
        f"processes ended by a file: {sum(finding.ended_process for finding in findings)}",
        f"slowest: {slowest.seconds:.2f} s, {slowest.case.name}",
        f"peak memory: {malicious / 2**20:.0f} MiB",
        *(f"{finding.case.name}: {finding.outcome}, {finding.seconds:.1f} s for both ways" for finding in large),
        f"peak memory with these: {peak / 2**20:.0f} MiB",
    ]
    print("\n".join(lines))  # noqa: T201  # it reports
    good = not any(finding.wrong for finding in [*findings, *large])
    return 0 if good and slowest.seconds < _MAX_SECONDS and peak < _MAX_BYTES else 1


if __name__ == "__main__":
    sys.exit(main())

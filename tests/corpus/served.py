"""`python -m tests.corpus.served`: the whole corpus through `heirloom serve`, a table, and status 1 where anything was
wrong: an answer, a job's end, more than five seconds, more than 1.5 GB, a process that is another one at the end."""

import re
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.acceptance.service import embedded
from tests.corpus import all_cases
from tests.corpus.service import Fate, Sender

_MAX_SECONDS = 5.0
_MAX_BYTES = 1.5 * 2**30


def main() -> int:
    """Send everything; `main N`: every Nth."""
    every = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    cases = all_cases()[::every]
    fates: list[Fate] = []
    with tempfile.TemporaryDirectory() as folder, embedded(Path(folder)) as service:
        started = _processes(service.processes["api"].pid)
        with service.client() as client:
            begun = time.monotonic()
            for fate in Sender(client).send(cases):
                fates.append(fate)
                if fate.wrong or fate.seconds > _MAX_SECONDS:
                    what = f"{fate.way} {fate.case.name}: {fate.outcome}, {fate.seconds:.1f} s; {fate.wrong}"
                    print(f"WRONG {what}", flush=True)  # noqa: T201  # it reports
        took = time.monotonic() - begun
        ended = _processes(service.processes["api"].pid)
        log = service.log.read_text()
    table = Counter((fate.case.kind, fate.way, fate.outcome) for fate in fates)
    slowest = max(fates, key=lambda fate: fate.seconds)
    lost = [command for pid, (command, _) in started.items() if pid not in ended]
    peak = max(size for _, size in ended.values())
    lines = [f"{kind:6} {way:8} {outcome:20} {count:5}" for (kind, way, outcome), count in sorted(table.items())]
    lines += [
        f"{len(cases)} files, {len(fates)} fates, {took:.0f} s; {sum(bool(fate.wrong) for fate in fates)} wrong",
        f"slowest: {slowest.seconds:.2f} s, {slowest.way} {slowest.case.name}",
        *(f"peak memory: {size / 2**20:5.0f} MiB  {command}" for command, size in ended.values()),
        f"processes lost: {', '.join(lost) or 'none'}",
        f"failed answers in the log: {len(re.findall('answer_failed|request_failed|Traceback', log))}",
    ]
    print("\n".join(lines))  # noqa: T201  # it reports
    good = not lost and not any(fate.wrong for fate in fates)
    return 0 if good and slowest.seconds < _MAX_SECONDS and peak < _MAX_BYTES else 1


def _processes(pid: int) -> dict[int, tuple[str, int]]:
    """A process and those below it that run: what each is, and the most memory that it has held, in bytes."""
    found, waiting = {}, [pid]
    while waiting:
        one = waiting.pop()
        try:
            status = Path(f"/proc/{one}/status").read_text()
            words = Path(f"/proc/{one}/cmdline").read_text().split("\0")
            waiting += [
                int(child)
                for path in Path(f"/proc/{one}/task").iterdir()
                for child in (path / "children").read_text().split()
            ]
        except OSError:
            continue  # it has ended
        peak = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
        if peak is not None:
            found[one] = (" ".join(words[1:])[:60], 1024 * int(peak[1]))
    return found


if __name__ == "__main__":
    sys.exit(main())

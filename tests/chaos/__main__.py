"""`python -m tests.chaos`: harm done to a service by plan, and what became of it; `… sum`: all campaigns together."""

import json
import shutil
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path

from tests.chaos.campaign import run
from tests.chaos.options import FOLDER, parsed
from tests.chaos.report import appended, printed, summed

_LEDGER = "campaigns.jsonl"


def main() -> int:
    """The exit code: 1 where something was found that must not be."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["sum"]:
        print(summed((Path(arguments[1]) if len(arguments) > 1 else FOLDER) / _LEDGER))  # noqa: T201  # what it is for
        return 0
    options = parsed(arguments)
    folder = (options.folder / f"{options.mode}-{options.seed}-{time.strftime('%H%M%S')}").absolute()
    folder.mkdir(parents=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started and mounted goes with us
    report = run(options, folder)
    appended(report, options.folder / _LEDGER)
    print(printed(report))  # noqa: T201  # what it is for
    if report.findings or options.keep:
        (folder / "report.json").write_text(
            json.dumps({**report.values, "all_findings": [asdict(each) for each in report.findings]}, indent=1)
        )
        print(f"kept in {folder}")  # noqa: T201  # what it is for
    else:
        shutil.rmtree(folder)
    return 1 if report.findings else 0


if __name__ == "__main__":
    sys.exit(main())

"""A worker whose first step of a restoration takes longer than anybody waits: `python -m`."""

import sys
import time

from core.pipeline.stages import restore


def take_for_ever(*_: object, **__: object) -> None:
    """A step on the device that does not end."""
    print("stuck in a step", file=sys.stderr, flush=True)  # noqa: T201  # what the test waits for
    time.sleep(3600)


restore.restore_batch = take_for_ever  # type: ignore[assignment]  # on purpose

if __name__ == "__main__":
    from worker.__main__ import main

    sys.exit(main())

"""A worker that stores where its tuning stands at every step, instead of every minute: `python -m`.

It says at which step a tuning begins.
"""

import sys
from collections.abc import Callable
from typing import Any

from core.pipeline.artifacts import unpack
from core.pipeline.stages import tune

_finetune = tune.finetune


def finetune(*arguments: Any, load_state: Callable[[], bytes | None], **options: Any) -> bytes:
    """See `core.pipeline.finetune.finetune`."""

    def told() -> bytes | None:
        state = load_state()
        step = 0 if state is None else unpack(state)[1]["iteration"]
        print(f"tuning from step {step}.", file=sys.stderr, flush=True)  # noqa: T201  # what the test looks for
        return state

    return _finetune(*arguments, load_state=told, save_every_seconds=0.0, **options)


tune.finetune = finetune

if __name__ == "__main__":
    from worker.__main__ import main

    sys.exit(main())

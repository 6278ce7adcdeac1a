"""A worker that stores where its tuning stands at every step, instead of every minute: `python -m`, or for Celery."""

import sys
from functools import partial

from core.pipeline.stages import tune

tune.finetune = partial(tune.finetune, save_every_seconds=0.0)

if __name__ == "__main__":
    from worker.__main__ import main

    sys.exit(main())

"""The stages as the runner calls them: a call and a context in, one artifact for each item out."""

from collections.abc import Callable

from core.pipeline.plan import StageCall
from core.pipeline.stages import album, align, composite, curate, detect, restore, tune
from core.pipeline.stages.context import Constrain, Context

__all__ = ["HANDLERS", "Constrain", "Context", "Handler"]

Handler = Callable[[StageCall, Context], list[bytes]]

HANDLERS: dict[str, Handler] = {
    "detect": detect.handle,
    "align": align.handle,
    "curate": curate.handle,
    "album": album.handle,
    "finetune": tune.handle,
    "restore": restore.handle,
    "composite": composite.handle,
}

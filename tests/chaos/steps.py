"""Which steps a worker has, where a transaction of it begins and ends: production code knows nothing of them.

Functions of the worker are wrapped so that a commit, of which SQLAlchemy tells, can be called by the step that it
belongs to. A step is `STAGE:STEP`; of each there are three moments: `enter` (before its transaction), `before` and
`after` its COMMIT.
"""

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.orm import Session

ENTER, BEFORE, AFTER = "enter", "before", "after"
MOMENTS = (ENTER, BEFORE, AFTER)
STAGES = ("detect", "align", "curate", "album", "finetune", "restore", "composite")
_RESUMED = ("resume-album", "resume-finetune")
STEPS = (
    "queue:claim",
    "queue:heartbeat",
    "queue:reap",
    "worker:register",
    *(f"{stage}:blob" for stage in (*STAGES, *_RESUMED, "store")),
    *(f"{stage}:put" for stage in (*STAGES, *_RESUMED)),
    *(f"{stage}:discard" for stage in ("album", "finetune", *_RESUMED)),
    *(f"end:{event_type}" for event_type in ("succeeded", "failed", "cancelled", "drained")),
)
"""All that tiny jobs reach. `end:faulted` and `people:named` are reached too rarely to be counted on."""
Reach = Callable[[str, Connection | None], None]
"""Told of a point, `STAGE:STEP:MOMENT`, and of the connection that is about to commit."""


class _Current(threading.local):
    step: str | None = None


def install(reach: Reach) -> None:
    """Have `reach` called at every point of this process; call it once, before there is a worker."""
    from core.db import queue
    from core.services import reaping
    from core.storage.fs import FileWriter
    from worker import artifacts, results, runner
    from worker.endings import Endings
    from worker.heartbeat import Heartbeat
    from worker.loop import Loop
    from worker.presence import Presence

    current = _Current()

    @contextmanager
    def step(name: str | None) -> Iterator[None]:
        outer, current.step = current.step, name
        try:
            if name is not None:
                reach(f"{name}:{ENTER}", None)
            yield
        finally:
            current.step = outer

    def wrap(owner: Any, attribute: str, name: Callable[..., str | None]) -> None:
        original = getattr(owner, attribute)

        @functools.wraps(original)
        def wrapped(*arguments: Any, **options: Any) -> Any:
            with step(name(*arguments, **options)):
                return original(*arguments, **options)

        setattr(owner, attribute, wrapped)

    def name_if(owner: Any, attribute: str, name: str, found: Callable[[Any], bool]) -> None:
        """Name the transaction that this call is in by what it found: most looks at the queue find nothing."""
        original = getattr(owner, attribute)

        @functools.wraps(original)
        def wrapped(*arguments: Any, **options: Any) -> Any:
            result = original(*arguments, **options)
            if found(result):
                current.step = name
            return result

        setattr(owner, attribute, wrapped)

    def blob_step(*_: Any) -> str:
        return f"{(current.step or 'store:').partition(':')[0]}:blob"

    def before_rename(*_: Any) -> None:
        if current.step is not None:
            reach(f"{current.step}:{BEFORE}", None)

    def after_rename() -> None:
        if current.step is not None:
            reach(f"{current.step}:{AFTER}", None)

    finish = FileWriter.finish

    def finished(writer: FileWriter) -> Any:
        before_rename()
        ref = finish(writer)
        after_rename()
        return ref

    FileWriter.finish = finished  # type: ignore[method-assign]  # a folder's blob has no COMMIT: its rename is one
    wrap(Loop, "take", lambda *_: None)
    name_if(queue, "claim", "queue:claim", lambda job: job is not None)
    wrap(reaping.Reaper, "reap", lambda *_: None)
    name_if(reaping, "reap", "queue:reap", lambda reaped: any(vars(reaped).values()))
    wrap(Heartbeat, "_beat_for", lambda *_: "queue:heartbeat")
    wrap(Presence, "register", lambda *_: "worker:register")
    wrap(artifacts.JobArtifacts, "put", lambda _, stage, *__: f"{stage}:put")
    wrap(artifacts.JobArtifacts, "discard", lambda _, stage, *__: f"{stage}:discard")
    wrap(artifacts, "write_blob", blob_step)
    wrap(results, "write_blob", blob_step)
    wrap(runner, "name_used", lambda *_: "people:named")
    wrap(Endings, "_end", lambda _, __, event_type, *___: f"end:{event_type}")

    def before_commit(connection: Connection) -> None:
        if current.step is not None:
            reach(f"{current.step}:{BEFORE}", connection)

    def after_commit(_session: Session) -> None:
        if current.step is not None:
            reach(f"{current.step}:{AFTER}", None)

    event.listen(Engine, "commit", before_commit)
    event.listen(Session, "after_commit", after_commit)

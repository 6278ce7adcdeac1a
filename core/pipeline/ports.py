"""What the pipeline needs from its surroundings: the command line and the worker each bring their own."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from core.imaging.opening import Limits
from core.imaging.original.reading import working_copy


class Progress(Protocol):
    """Told how far a stage is."""

    def report(self, stage: str, item: str, done: int, total: int) -> None:
        """Say that `done` of `total` steps of a stage are finished.

        Args:
            stage: align, curate, album, finetune, restore, composite.
            item: which photo or subject.
            done: steps finished, 0 … total; a resumed stage does not start at 0.
            total: steps of this stage.
        """
        ...


class Cancel(Protocol):
    """Asked between steps whether to stop."""

    def check(self) -> None:
        """Return, or raise.

        Raises:
            CancelledError: the work is to stop; what is stored can be resumed.
        """
        ...


class ArtifactStore(Protocol):
    """Keeps what stages make, so that nothing is made twice and a cut-off run goes on."""

    def get(self, stage: str, item: str, input_hash: str) -> bytes | None:
        """What was put under the same three, or None; damaged content counts as None."""
        ...

    def put(self, stage: str, item: str, input_hash: str, data: bytes) -> None:
        """Keep `data`, all or nothing; an earlier value under the same three is replaced.

        Raises:
            OutputError: it could not be kept.
        """
        ...

    def discard(self, stage: str, item: str, input_hash: str) -> None:
        """Forget what was put under the same three; nothing happens where nothing was."""
        ...


class NoProgress:
    """Tells nobody."""

    def report(self, stage: str, item: str, done: int, total: int) -> None:
        """See `Progress.report`."""


class NeverCancelled:
    """Never stops."""

    def check(self) -> None:
        """See `Cancel.check`."""


class MemoryStore:
    """Keeps artifacts in this process."""

    def __init__(self) -> None:
        """Start empty."""
        self.kept: dict[tuple[str, str, str], bytes] = {}

    def get(self, stage: str, item: str, input_hash: str) -> bytes | None:
        """See `ArtifactStore.get`."""
        return self.kept.get((stage, item, input_hash))

    def put(self, stage: str, item: str, input_hash: str, data: bytes) -> None:
        """See `ArtifactStore.put`."""
        self.kept[stage, item, input_hash] = data

    def discard(self, stage: str, item: str, input_hash: str) -> None:
        """See `ArtifactStore.discard`."""
        self.kept.pop((stage, item, input_hash), None)


Decode = Callable[[bytes, Limits], np.ndarray]
"""From a photo's bytes to what models see of it; errors as for `core.imaging.original.reading.working_copy`."""


@dataclass(frozen=True)
class Ports:
    """All together; the defaults suit a script. Who takes photos from strangers decodes them in a `DecodePool`."""

    progress: Progress = field(default_factory=NoProgress)
    cancel: Cancel = field(default_factory=NeverCancelled)
    store: ArtifactStore = field(default_factory=MemoryStore)
    decode: Decode = working_copy
    limits: Limits = field(default_factory=Limits)

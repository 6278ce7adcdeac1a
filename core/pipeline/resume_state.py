"""Where a call stopped, and where it stood before that: a damaged state costs one interval, and not the whole stage."""

import hashlib
from dataclasses import dataclass, field

from core.pipeline.ports import ArtifactStore

_NEWEST = "resume-newest"
_SLOTS = (b"0", b"1")


@dataclass
class ResumeState:
    """The states of one call; any of them leads to the same result.

    Attributes:
        store: where they are kept; a damaged one reads as absent there.
        stage: of the artifacts.
        item: as above.
        key: what decides the call.
        two: whether the state before the last is kept too: a tuning's is an hour's work, a chain's some seconds'.
    """

    store: ArtifactStore
    stage: str
    item: str
    key: str
    two: bool = False
    _sound: str | None = field(default=None, init=False)
    """Which one was loaded or saved last: the next does not take its place."""

    def load(self) -> bytes | None:
        """The newest that is sound, or None; read one by one, for each is as large as three copies of the weights."""
        newest = self._newest()
        for slot in (newest, *(other for other in self._slots() if other != newest)):
            if (data := self.store.get(self.stage, self.item, slot)) is not None:
                self._sound = slot
                return data
        return None

    def save(self, data: bytes) -> None:
        """Keep it in place of the older one, and only then call it the newest."""
        if not self.two:
            self.store.put(self.stage, self.item, self.key, data)
            return
        slots = self._slots()
        slot = slots[1] if self._sound == slots[0] else slots[0]
        self.store.put(self.stage, self.item, slot, data)
        self.store.put(_NEWEST, self.item, self.key, _SLOTS[slots.index(slot)])
        self._sound = slot

    def discard(self) -> None:
        """Forget all of them."""
        for slot in self._slots():
            self.store.discard(self.stage, self.item, slot)
        if self.two:
            self.store.discard(_NEWEST, self.item, self.key)

    def _slots(self) -> tuple[str, ...]:
        second = hashlib.sha256(f"{self.key} second".encode()).hexdigest()
        return (self.key, second) if self.two else (self.key,)

    def _newest(self) -> str:
        named = self.store.get(_NEWEST, self.item, self.key) if self.two else None
        return self._slots()[_SLOTS.index(named)] if named in _SLOTS else self.key

"""What went through a run last, in memory: the next stage wants it, and the store may be far."""

from collections import OrderedDict

RECENT_BYTES = 96 * 2**20
"""A face with eight candidates of 1,024 pixels takes 28 MB: a photo's memory grows with one face, not with all."""
Key = tuple[str, str, str, str]
"""Job, stage, item and the hash of what it was made from."""


class Recent:
    """Artifacts of the jobs of one run, the latest so many bytes of them, and the very last in any case.

    What is pinned stays: nobody else has it.
    """

    def __init__(self, most_bytes: int = RECENT_BYTES) -> None:
        """Begin empty."""
        self._most_bytes = most_bytes
        self._kept: OrderedDict[Key, bytes] = OrderedDict()
        self._pinned: dict[Key, bytes] = {}

    @property
    def size_bytes(self) -> int:
        """What is kept, without what is pinned."""
        return sum(map(len, self._kept.values()))

    def get(self, key: Key) -> bytes | None:
        """What is kept of it, if anything."""
        if key in self._pinned:
            return self._pinned[key]
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def put(self, key: Key, data: bytes, *, stored: bool) -> None:
        """Keep one.

        Args:
            key: of it.
            data: its bytes.
            stored: it can be had from the store again; otherwise it is pinned.
        """
        self.drop(key)
        if not stored:
            self._pinned[key] = data
            return
        self._kept[key] = data
        while len(self._kept) > 1 and self.size_bytes > self._most_bytes:
            self._kept.popitem(last=False)

    def drop(self, key: Key) -> None:
        """Forget one."""
        self._kept.pop(key, None)
        self._pinned.pop(key, None)

    def drop_job(self, job_id: str) -> None:
        """Forget all of a job."""
        for held in (self._kept, self._pinned):
            for key in [key for key in held if key[0] == job_id]:
                del held[key]

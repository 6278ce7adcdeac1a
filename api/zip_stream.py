"""A zip that is written while it is sent: nothing of it lies anywhere."""

import zipfile
from collections.abc import Iterable, Iterator

_DATE = (1980, 1, 1, 0, 0, 0)


class _Pipe:
    """Takes what `zipfile` writes, and gives it on; it cannot be sought in, which `zipfile` sees and heeds."""

    def __init__(self) -> None:
        self._waiting: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._waiting.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def taken(self) -> bytes:
        waiting, self._waiting = self._waiting, []
        return b"".join(waiting)


def zip_stream(entries: Iterable[tuple[str, Iterable[bytes]]]) -> Iterator[bytes]:
    """The bytes of a zip, one after the other.

    Photos are compressed already: entries are stored as they are.

    Args:
        entries: names, and each one's content in pieces; read one by one as the zip is taken.
    """
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_STORED) as archive:  # type: ignore[call-overload]  # it needs no more of a file
        for name, content in entries:
            with archive.open(zipfile.ZipInfo(name, _DATE), "w") as entry:
                for piece in content:
                    entry.write(piece)
                    yield pipe.taken()
            yield pipe.taken()
    yield pipe.taken()

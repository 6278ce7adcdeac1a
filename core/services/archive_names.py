"""Names for files in an archive that anybody may unpack anywhere: what somebody called a photo is never a path."""

import re
from collections.abc import Iterable, Iterator

_MOST_LETTERS = 100
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*\u200e\u200f\u202a-\u202e\u2066-\u2069]')
"""Control characters and what Windows forbids; marks that turn the direction of writing, which hide a suffix."""
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)", re.IGNORECASE)
"""Windows opens these as devices, whatever their suffix."""


def archive_names(labelled: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Safe names, each once, however letters are written.

    Args:
        labelled: what a photo is called, and the suffix of its result, without the dot.
    """
    taken: set[str] = set()
    for label, suffix in labelled:
        stem = _stem(label)
        name, number = f"{stem}.{suffix}", 1
        while name.casefold() in taken:
            number += 1
            name = f"{stem} ({number}).{suffix}"
        taken.add(name.casefold())
        yield name


def _stem(label: str) -> str:
    name = label.replace("\\", "/").rpartition("/")[2]
    stem = name.rpartition(".")[0] or name
    stem = _FORBIDDEN.sub("_", stem).strip(" .")[:_MOST_LETTERS].strip(" .")
    if not stem:
        return "photo"
    return f"_{stem}" if _DEVICES.fullmatch(stem.partition(".")[0]) else stem

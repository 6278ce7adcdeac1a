"""One malformed file, and what may become of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

DECODED = "decoded"
UNREADABLE, UNSUPPORTED, TOO_LARGE = "image_unreadable", "unsupported_format", "image_too_large"
REJECTED, NO_PHOTOS = "archive_rejected", "bad_input"
REFUSED = frozenset((UNREADABLE, UNSUPPORTED))
ANYTHING_TYPED = frozenset((DECODED, UNREADABLE, UNSUPPORTED, TOO_LARGE))


@dataclass(frozen=True)
class Case:
    """One file.

    Attributes:
        name: unique.
        kind: what it is sent as.
        make: its bytes; the large ones are made when they are needed.
        outcomes: codes of the errors it may be refused with, `decoded` where it is harmless.
    """

    name: str
    kind: Literal["photo", "zip"]
    make: Callable[[], bytes]
    outcomes: frozenset[str]


def photo(name: str, make: bytes | Callable[[], bytes], *outcomes: str) -> Case:
    """A case that is sent as a photo."""
    return Case(name, "photo", make if callable(make) else lambda: make, frozenset(outcomes))


def archive(name: str, make: bytes | Callable[[], bytes], *outcomes: str) -> Case:
    """A case that is sent as a zip."""
    return Case(name, "zip", make if callable(make) else lambda: make, frozenset(outcomes))

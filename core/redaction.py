"""What a log line may say: no secret, no file's name, no value that somebody sent.

Our own lines carry ids, numbers and hashes; the lines of other libraries, and errors, may quote anything. So texts are
scrubbed here, and of an error only its kind and the places it passed are told, never its message.
"""

import re
import traceback
from collections.abc import Iterable
from functools import lru_cache
from types import TracebackType
from typing import Any

from core.domain.errors import HeirloomError

HIDDEN = "***"
LONGEST_TEXT = 500
_REMEMBERED_TEXT = 64
_PICTURES_AND_ARCHIVES = (
    "avif bmp gif heic heif jfif jpe jpeg jpg jxl mpo png psd raw safetensors tga tif tiff webp zip".split()  # noqa: SIM905  # one a word
)
_PATTERNS = (
    (re.compile(r"(?<=://)[^/\s@]*@"), f"{HIDDEN}@"),  # user and password of a URL
    (re.compile(r"(?i)\bbearer\s+\S+"), f"Bearer {HIDDEN}"),
    (re.compile(r"\bhl_[0-9A-Za-z_-]+"), f"hl_{HIDDEN}"),  # our keys
    (re.compile(r"\bwhsec_[0-9A-Za-z+/=]+"), f"whsec_{HIDDEN}"),  # what webhooks are signed with
    (re.compile(r"(?i)\b(password|passwd|secret|token|api_?key)(\s*[=:]\s*)\S+"), rf"\1\2{HIDDEN}"),
    # Between quotes a name may have spaces; outside, it ends at one.
    (re.compile(rf"(?i)(['\"])[^'\"\n]*\.(?:{'|'.join(_PICTURES_AND_ARCHIVES)})\1"), f"{HIDDEN}"),
    (re.compile(rf"(?i)[^\s'\"/=:,(]+\.(?:{'|'.join(_PICTURES_AND_ARCHIVES)})\b"), HIDDEN),
)


def scrubbed(text: str, secrets: Iterable[str] = ()) -> str:
    """A text of anybody's without what must not stand in a log.

    Args:
        text: it is cut where it is very long.
        secrets: values that are known to be secret, e.g. the database's password.
    """
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    if text.isalnum():  # each pattern needs a sign beside letters and digits: most ids are done here
        pass
    elif len(text) <= _REMEMBERED_TEXT:
        text = _remembered(text)
    else:
        text = _by_patterns(text)
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"


def _by_patterns(text: str) -> str:
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


# Events, loggers' names and routes' templates are few, and stand on every line.
_remembered = lru_cache(maxsize=1024)(_by_patterns)


def told(error: BaseException) -> str:
    """An error's kind, and the code of ours. Its message may quote a file's name or a column's value."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return f"{name} ({error.code})" if isinstance(error, HeirloomError) else name


def places(error: BaseException) -> str:
    """Where an error came from: the chain of kinds, each with the lines of code it passed, and no values."""
    parts = []
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        parts.append("\n".join([*_frames(link.__traceback__), told(link)]))
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return "\nwhich came after:\n".join(parts)


def _frames(trace: TracebackType | None) -> list[str]:
    # Built from the code objects alone: a frame's locals, and the text of a line, may hold values.
    return [
        f"  {frame.f_code.co_filename}:{line} {frame.f_code.co_qualname}" for frame, line in traceback.walk_tb(trace)
    ]


def plain(value: Any, secrets: Iterable[str] = ()) -> Any:  # noqa: ANN401  # whatever a log line was given
    """A field's value as a line may carry it: numbers as they are, texts scrubbed, errors told, bytes counted.

    Of a list, each part is.
    """
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return scrubbed(value, secrets)
    if isinstance(value, list | tuple):
        return [plain(part, secrets) for part in value]
    if isinstance(value, BaseException):
        return told(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return f"{len(value)} bytes"
    if isinstance(value, dict):
        return {str(key): plain(inner, secrets) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(inner, secrets) for inner in value]
    return scrubbed(str(value), secrets)

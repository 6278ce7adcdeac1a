"""multipart/form-data, read while it arrives: fields into memory, files into a sink, everything into one hash.

The hash is over names and contents, not over the body's bytes: a client that repeats a request draws another boundary.
"""

import hashlib
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import TYPE_CHECKING, Protocol

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from core.domain.errors import InvalidRequestError, UnsupportedFormatError

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

FILE_FIELD = "file"
_MOST_FIELDS = 32
_MOST_FIELD_BYTES = 64 * 1024
_FLUSH_BYTES = 2**20
_LONGEST_LABEL = 255


class Sink(Protocol):
    """Where files go, one after the other. All calls may block, and are made in a thread."""

    def begin(self, label: str) -> None:
        """A file begins."""
        ...

    def write(self, data: bytes) -> None:
        """Its next bytes."""
        ...

    def end(self) -> None:
        """It has ended."""
        ...


class Pump:
    """Hands what arrives to a sink, a mebibyte at a time, so that small files cost one change of threads."""

    def __init__(self, sink: Sink, *, hashes: bool) -> None:
        """Begin.

        Args:
            sink: where files go.
            hashes: whether anybody will ask for `sha256`.
        """
        self._sink = sink
        self._hashes = hashes
        self._digest = hashlib.sha256()
        self._waiting: list[Callable[[], None]] = []
        self._bytes = 0

    def begin(self, label: str) -> None:
        """A file begins."""
        self._waiting.append(partial(self._sink.begin, label))
        self.note(f"file\n{label}\n".encode())

    def write(self, data: bytes) -> None:
        """Its next bytes."""
        self._waiting.append(partial(self._pass_on, data))
        self._bytes += len(data)

    def end(self) -> None:
        """It has ended."""
        self._waiting.append(self._sink.end)
        self.note(b"\nend\n")

    def note(self, data: bytes) -> None:
        """Something that belongs to what the request means."""
        if self._hashes:
            self._waiting.append(partial(self._digest.update, data))

    async def flush(self, *, all_of_it: bool = False) -> None:
        """Hand on what waits, if it is enough."""
        if self._waiting and (all_of_it or self._bytes >= _FLUSH_BYTES):
            waiting, self._waiting, self._bytes = self._waiting, [], 0
            await run_in_threadpool(_run, waiting)

    def sha256(self) -> str:
        """Of everything that passed."""
        return self._digest.hexdigest()

    def _pass_on(self, data: bytes) -> None:
        if self._hashes:
            self._digest.update(data)
        self._sink.write(data)


def _run(calls: list[Callable[[], None]]) -> None:
    for call in calls:
        call()


async def read_form(
    content_type: str, stream: AsyncIterator[bytes], sink: Sink, *, hashes: bool = True
) -> tuple[dict[str, str], str]:
    """Read a form to its end.

    Args:
        content_type: with the boundary.
        stream: the body.
        sink: takes the parts named `file`.
        hashes: whether the sha256 is wanted.

    Returns:
        The other fields, and the sha256 of it all.

    Raises:
        UnsupportedFormatError: not multipart/form-data.
        HTTPException: 400: it is malformed.
        InvalidRequestError: a part without a name, a file under another name, a field twice, or too many.
    """
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise UnsupportedFormatError("The body is not multipart/form-data.", "Send a form, as `curl -F` does.")
    pump = Pump(sink, hashes=hashes)
    form = _Form(pump)
    try:
        parser = MultipartParser(options[b"boundary"], form.callbacks())
        async for chunk in stream:
            parser.write(chunk)
            await pump.flush()
        parser.finalize()
    except MultipartParseError as error:
        raise HTTPException(400, "The form is malformed") from error
    except ValueError as error:  # a boundary that cannot be one
        raise HTTPException(400, "The form is malformed") from error
    if not form.ended:
        raise HTTPException(400, "The form ends before its last part does")
    await pump.flush(all_of_it=True)
    return form.fields, pump.sha256()


class _Form:
    """Listens to the parser."""

    def __init__(self, pump: Pump) -> None:
        self.fields: dict[str, str] = {}
        self.ended = False
        self._pump = pump
        self._header: list[bytes] = [b"", b""]
        self._headers: dict[bytes, bytes] = {}
        self._name = ""
        self._is_file = False
        self._value = b""

    def callbacks(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self._begin,
            "on_header_field": partial(self._header_part, 0),
            "on_header_value": partial(self._header_part, 1),
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_end": self._finish,
        }

    def _begin(self) -> None:
        self._headers, self._header, self._value = {}, [b"", b""], b""

    def _header_part(self, which: int, data: bytes, begin: int, end: int) -> None:
        self._header[which] += data[begin:end]

    def _header_end(self) -> None:
        self._headers[self._header[0].lower()] = self._header[1]
        self._header = [b"", b""]

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        self._is_file = b"filename" in options or self._name == FILE_FIELD
        if not self._name:
            raise InvalidRequestError(
                "A part of the form has no name.", "Name files `file`, and the fields as documented."
            )
        if self._is_file and self._name != FILE_FIELD:
            raise InvalidRequestError(
                f"The form has a file under the name {self._name[:64]!r}.",
                "Send files under the name `file`.",
                pointer="/file",
            )
        if self._is_file:
            self._pump.begin(label_of(options.get(b"filename", b"").decode("utf-8", "replace")))
        elif self._name in self.fields or len(self.fields) >= _MOST_FIELDS:
            raise InvalidRequestError(
                f"The form has the field {self._name[:64]!r} twice, or too many fields.", "Send each field once."
            )

    def _data(self, data: bytes, begin: int, end: int) -> None:
        if self._is_file:
            self._pump.write(data[begin:end])
            return
        self._value += data[begin:end]
        if len(self._value) > _MOST_FIELD_BYTES:
            raise InvalidRequestError(
                f"The field {self._name[:64]!r} is too long.", "Send files under the name `file`."
            )

    def _end(self) -> None:
        if self._is_file:
            self._pump.end()
            return
        self.fields[self._name] = self._value.decode("utf-8", "replace")
        self._pump.note(f"field\n{self._name}\n".encode() + self._value + b"\nend\n")

    def _finish(self) -> None:
        self.ended = True


def label_of(filename: str) -> str:
    """What a file is called, as a label: never a path, never a control character."""
    name = filename.replace("\\", "/").rpartition("/")[2]
    return "".join(letter for letter in name if letter.isprintable())[-_LONGEST_LABEL:] or "photo"

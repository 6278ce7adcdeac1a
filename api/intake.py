"""What a request brings beside its JSON: one file, or an album, taken in while it arrives."""

import json
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool

from api.call import Call
from api.multipart import Pump, Sink, label_of, read_form
from api.routing import request_hash
from api.schemas.members import PLAIN
from core.domain.errors import InvalidRequestError
from core.services.uploads import PHOTOS, Received, Receiver

_Model = TypeVar("_Model", bound=BaseModel)


class OneFile:
    """A sink for exactly one file, on its way into the store."""

    def __init__(self, call: Call, accepted: Collection[str] = PHOTOS) -> None:
        """Nothing has come yet."""
        self._call = call
        self._accepted = accepted
        self._receiver: Receiver | None = None
        self.label = ""

    def begin(self, label: str) -> None:
        """See `Sink.begin`; a second file is refused."""
        if self._receiver is not None:
            raise InvalidRequestError("More than one file was sent.", "Send one.", pointer="/file")
        service = self._call.service
        self.label = label
        self._receiver = Receiver(service.store, self._call.owner_id, service.limits, self._accepted).__enter__()

    def write(self, data: bytes) -> None:
        """See `Sink.write`."""
        if self._receiver is not None:
            self._receiver.write(data)

    def end(self) -> None:
        """See `Sink.end`."""

    def check(self) -> None:
        """Refuse a form without a file, before anything is decided.

        Raises:
            InvalidRequestError: none was sent.
        """
        if self._receiver is None:
            raise InvalidRequestError("No file was sent.", "Send it in a part named `file`.", pointer="/file")

    def finish(self) -> Received:
        """The file, durable from here on; errors as of `check` and `Receiver.finish`."""
        self.check()
        if self._receiver is None:
            raise RuntimeError("there is no file")
        received = self._receiver.finish()
        self.close()
        return received

    @property
    def unfinished(self) -> bool:
        """Whether `close` has something to do."""
        return self._receiver is not None

    def close(self) -> None:
        """What was not finished leaves nothing behind."""
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            receiver.__exit__(None, None, None)


class Unkept:
    """A sink for what a repeated request brings: only its hash is of interest."""

    def begin(self, label: str) -> None:
        """See `Sink.begin`."""

    def write(self, data: bytes) -> None:
        """See `Sink.write`."""

    def end(self) -> None:
        """See `Sink.end`."""


@asynccontextmanager
async def one_file(call: Call, accepted: Collection[str] = PHOTOS) -> AsyncIterator[OneFile]:
    """A sink that is closed whatever happens."""
    file = OneFile(call, accepted)
    try:
        yield file
    finally:
        if file.unfinished:
            await run_in_threadpool(file.close)


async def read_raw(request: Request, sink: Sink, name: str) -> None:
    """Read a body that is one file."""
    pump = Pump(sink, hashes=False)  # a PUT is repeated by its nature
    pump.begin(label_of(name))
    async for chunk in request.stream():
        pump.write(chunk)
        await pump.flush()
    pump.end()
    await pump.flush(all_of_it=True)


async def read_fields(request: Request, call: Call, sink: Sink, model: type[_Model]) -> _Model:
    """Read a form: its files into the sink, its fields into a model.

    Raises:
        RequestValidationError: the fields are not as the model says.
        UnsupportedFormatError, HTTPException, InvalidRequestError: as for `read_form`.
    """
    content_type = request.headers.get("content-type", "")
    sink = Unkept() if call.refused else sink
    fields, sha256 = await read_form(content_type, request.stream(), sink, hashes=call.repeatable)
    values = {name: _value(text) if _takes_json(model, name) else text for name, text in fields.items()}
    parsed = validated(model, values)
    if call.repeatable:
        await run_in_threadpool(call.reserve, request_hash(request, sha256.encode()))
    return parsed


async def read_json(request: Request, call: Call, model: type[_Model]) -> _Model:
    """Read a JSON body where a form could have come as well.

    Raises:
        RequestValidationError: it is not JSON, or not as the model says.
    """
    body = await request.body()
    try:
        values = json.loads(body)
    except (ValueError, RecursionError) as error:
        problem = {"type": "json_invalid", "loc": ("body",), "msg": "", "input": {}, "ctx": {"error": _reason(error)}}
        raise RequestValidationError([problem]) from error
    parsed = validated(model, values)
    if call.repeatable:
        await run_in_threadpool(call.reserve, request_hash(request, body))
    return parsed


def validated(model: type[_Model], values: Any) -> _Model:  # noqa: ANN401  # whatever was sent
    """Values as a model.

    Raises:
        RequestValidationError: they are not as it says.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        placed = [{**problem, "loc": ("body", *problem["loc"])} for problem in found]
        raise RequestValidationError(placed, body=values) from error


def _reason(error: Exception) -> str:
    return error.msg if isinstance(error, json.JSONDecodeError) else "it is nested too deep, or not text"


def _takes_json(model: type[BaseModel], name: str) -> bool:
    field = model.model_fields.get(name)
    return field is not None and bool((field.json_schema_extra or {}) == PLAIN)


def _value(text: str) -> Any:  # noqa: ANN401  # a number, a truth value, or what it was
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text

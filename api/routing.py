"""How a request reaches its route: admitted by its headers, its body limited, its repetition recognised."""

import hashlib
from collections.abc import Callable, Coroutine
from email.message import Message as Header
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.types import Message, Receive

from api.call import Call, Replay
from api.errors import read_only
from api.guard import Guard, guard_of
from api.service import Service
from core.domain.errors import BodyTooLargeError, DiskFullError, UnsupportedFormatError
from core.settings import MEBIBYTE, Settings

_FORM_BYTES = MEBIBYTE
"""What a multipart body may have beside its files."""


class GuardedRoute(APIRoute):
    """A route of `/v1`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's own handler, with what comes before and after it."""
        handler = super().get_route_handler()
        guard = guard_of(self.endpoint)

        async def handle(request: Request) -> Response:
            if guard.public:
                return await handler(request)
            service: Service = request.app.state.service
            if guard.writes(request.method) and service.writes.are_refused:
                raise read_only()
            call = request.state.call = Call(service, request)
            if call.needs_database_to_admit(guard):
                await run_in_threadpool(call.admit, guard)
            else:
                call.admit(guard)
            limit = body_limit(guard, service.settings, form=is_form(request))
            coming_bytes = _checked_length(request, limit)
            if guard.stores:
                try:
                    service.check_disk(coming_bytes, spooled=guard.spools)
                except DiskFullError as refusal:
                    await run_in_threadpool(call.refuse, refusal)
            limited = Request(request.scope, _limited(request.receive, limit))
            if guard.body == "json":
                _check_is_json(request)
            try:
                if call.repeatable and guard.body in ("none", "json"):
                    await run_in_threadpool(call.reserve, request_hash(request, await limited.body()))
                return await handler(limited)
            except Replay as replay:
                answer = replay.answer
                return Response(answer.body, answer.status, answer.headers | {"Idempotency-Replayed": "true"})
            except BaseException:
                if call.must_release:
                    await run_in_threadpool(call.release)
                raise

        return handle


def body_limit(guard: Guard, settings: Settings, *, form: bool) -> int:
    """How many bytes a route's body may have; what is not a form is JSON, but for a file sent as the whole body."""
    if guard.body in ("none", "json") or (guard.body != "upload" and not form):
        return settings.max_json_kib * 1024
    largest = settings.max_upload_mib
    if guard.body in ("upload", "album"):
        largest = max(largest, settings.max_album_mib)
    return largest * MEBIBYTE + _FORM_BYTES


def is_form(request: Request) -> bool:
    """Whether the body is a form by its Content-Type."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == "multipart/form-data"


def request_hash(request: Request, body: bytes) -> str:
    """What makes two requests the same: method, path, query and body."""
    head = f"{request.method} {request.url.path}?{request.url.query}\n".encode()
    return hashlib.sha256(head + body).hexdigest()


def _checked_length(request: Request, limit: int) -> int:
    """The body's length as the client says it, 0 where it does not."""
    given = request.headers.get("content-length", "0")
    length = int(given) if given.isdecimal() else 0
    if length > limit:
        raise _too_large(limit)
    return length


def _limited(receive: Receive, limit: int) -> Receive:
    taken = 0

    async def limited() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > limit:
            raise _too_large(limit)
        return message

    return limited


def _too_large(limit: int) -> BodyTooLargeError:
    return BodyTooLargeError(f"The body is larger than {limit / 2**20:g} MiB, which is the most here.", "Send less.")


def _check_is_json(request: Request) -> None:
    given = request.headers.get("content-type")
    if request.method in ("GET", "DELETE") or given is None:
        return
    header = Header()
    header["content-type"] = given
    if header.get_content_type() != "application/json":
        raise UnsupportedFormatError("The body is not JSON by its Content-Type.", "Send application/json.")

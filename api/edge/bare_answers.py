"""Problems that are told where no request has reached the application: as bytes for the wire."""

import json
from http import HTTPStatus

from api.edge.headers import RawHeaders, always
from api.schemas.problem import Problem
from core.domain.errors import OverloadedError
from core.services.problems import title_of, type_of

MEDIA_TYPE = b"application/problem+json"
RETRY_SECONDS = 2
"""When to come back after an overload."""
BUSY = (
    "As many requests are being answered as can be at once.",
    "Repeat the request after as many seconds as Retry-After says, with the same Idempotency-Key where it has one.",
)


def problem_body(status: int, code: str, detail: str, advice: str, *, path: str = "", request_id: str = "") -> bytes:
    """An error as JSON; one that passes by itself is told to be `retryable`."""
    problem = Problem(
        type=type_of(code),
        title=title_of(code),
        status=status,
        detail=detail,
        instance=path,
        code=code,
        advice=advice,
        request_id=request_id,
        retryable=status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE),
        errors=[],
    )
    return json.dumps(problem.model_dump()).encode()


def busy_problem(*, path: str, request_id: str) -> bytes:
    """Of an overload."""
    detail, advice = BUSY
    return problem_body(503, OverloadedError.code, detail, advice, path=path, request_id=request_id)


def whole_answer(status: int, code: str, detail: str, advice: str, *, https: bool, retry_seconds: int = 0) -> bytes:
    """An answer from its status line to its last byte, after which the connection is closed.

    Args:
        status: HTTP's.
        code: of the problem.
        detail: what happened.
        advice: what to do next.
        https: see `always`.
        retry_seconds: when to come back; 0: nothing is said of it.
    """
    body = problem_body(status, code, detail, advice)
    headers: RawHeaders = [
        (b"content-type", MEDIA_TYPE),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
        *always(https=https),
    ]
    if retry_seconds:
        headers.append((b"retry-after", str(retry_seconds).encode()))
    first = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode()
    return b"\r\n".join([first, *(name + b": " + value for name, value in headers), b"", body])

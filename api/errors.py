"""The one table from what went wrong to HTTP, and the problem that tells it."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException

from api.schemas.problem import Cause, Problem
from core import logs
from core.db.refused import WritesRefusedError
from core.domain import errors
from core.domain.errors import HeirloomError, ReadOnlyError
from core.services.problems import title_of, type_of

STATUSES: Mapping[type[HeirloomError], int] = {
    HeirloomError: 500,
    errors.BadInputError: 422,
    errors.UnsupportedFormatError: 415,
    errors.PriorError: 503,
    errors.PriorUncalibratedError: 422,
    errors.CheckpointError: 409,
    errors.OutputError: 500,
    errors.DiskFullError: 507,
    errors.OutOfMemoryError: 503,
    errors.AlreadyRunningError: 409,
    errors.StorageError: 503,
    errors.BlobMissingError: 500,
    errors.BlobDamagedError: 500,
    errors.RequestError: 400,
    errors.UnauthenticatedError: 401,
    errors.ForbiddenError: 403,
    errors.NotFoundError: 404,
    errors.ConflictError: 409,
    errors.IdempotencyMismatchError: 422,
    errors.ConsentMissingError: 422,
    errors.BodyTooLargeError: 413,
    errors.RequestTimeoutError: 408,
    errors.QuotaExceededError: 429,
    errors.OverloadedError: 503,
    errors.JobError: 409,
}
"""By the nearest of an error's classes."""

MEDIA_TYPE = "application/problem+json"
DATABASE_AWAY = (OperationalError, InterfaceError, PoolTimeoutError)
_RETRY_SECONDS = 5
_CODES = {
    400: "malformed_request",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "unsupported_format",
}
_log = logs.get_logger(__name__)


def status_of(error: HeirloomError) -> int:
    """The HTTP status of a domain error."""
    return next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)


def problem_response(
    request: Request,
    status: int,
    code: str,
    detail: str,
    *,
    advice: str = "",
    retryable: bool = False,
    causes: Sequence[Cause] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """An error as it is answered."""
    problem = Problem(
        type=type_of(code),
        title=title_of(code),
        status=status,
        detail=detail,
        instance=request.url.path,
        code=code,
        advice=advice,
        request_id=getattr(request.state, "request_id", ""),
        retryable=retryable,
        errors=list(causes),
    )
    more = dict(headers or {})
    if status in (429, 503):
        more.setdefault("Retry-After", str(getattr(request.state, "retry_after_seconds", _RETRY_SECONDS)))
    if status == HTTPStatus.UNAUTHORIZED:
        more["WWW-Authenticate"] = "Bearer"
    return JSONResponse(problem.model_dump(), status, more, MEDIA_TYPE)


def domain_problem(request: Request, error: Exception) -> JSONResponse:
    """For errors that Heirloom raises on purpose."""
    if not isinstance(error, HeirloomError):
        raise error
    status = status_of(error)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _log_failure(error)
    causes = [Cause(pointer=error.pointer, detail=error.message)] if error.pointer else []
    return problem_response(
        request,
        status,
        error.code,
        error.message,
        advice=error.advice,
        retryable=error.retryable,
        causes=causes,
    )


def _log_failure(error: HeirloomError) -> None:
    """The operator's to know, with the way it came; but a full queue is no fault, and passes by itself."""
    if isinstance(error, errors.RequestError):
        _log.warning("refused_for_now", error=error)
    else:
        _log.error("answer_failed", exc_info=error)


def validation_problem(request: Request, error: Exception) -> JSONResponse:
    """For a body or parameters that are not as the document says; what was sent is not repeated."""
    found = error.errors() if isinstance(error, RequestValidationError) else []
    broken = next((problem for problem in found if problem["type"] == "json_invalid"), None)
    if broken is not None:
        return problem_response(
            request, 400, _CODES[400], f"The body is not JSON: {broken['ctx']['error']}.", advice="Send valid JSON."
        )
    causes = _causes(found, getattr(error, "body", None))
    return problem_response(
        request,
        422,
        "invalid_request",
        "; ".join(f"{cause.pointer or 'request'}: {cause.detail}" for cause in causes[:3]) + ".",
        advice="See errors, and /openapi.json for what may be sent.",
        causes=causes,
    )


def _causes(found: Sequence[Mapping[str, Any]], body: Any) -> list[Cause]:  # noqa: ANN401  # whatever was sent
    """One for each place; where a value may be of several kinds, each of them has said why it is none."""
    details: dict[tuple[str, str], list[str]] = {}
    for problem in found:
        place, *path = problem["loc"]
        pointer = _pointer(path, body) if place == "body" else ""
        parameter = "" if place == "body" else f"{'.'.join(map(str, path))}: "
        details.setdefault((pointer, parameter), []).append(str(problem["msg"]).removeprefix("Value error, "))
    return [
        Cause(pointer=pointer, detail=f"{parameter}{' Or: '.join(dict.fromkeys(messages))}")
        for (pointer, parameter), messages in details.items()
    ]


def _pointer(path: Sequence[str | int], body: Any) -> str:  # noqa: ANN401  # whatever was sent
    """The steps that lead into the body; the others are pydantic's own names for kinds of values."""
    pointer = ""
    for part in path:
        if isinstance(body, dict):
            body = body.get(part)
        elif isinstance(body, list) and isinstance(part, int) and part < len(body):
            body = body[part]
        else:
            continue
        pointer += f"/{_escaped(part)}"
    return pointer


def _escaped(part: object) -> str:
    return str(part).replace("~", "~0").replace("/", "~1")


def http_problem(request: Request, error: Exception) -> JSONResponse:
    """For what the framework refuses: no such route, no such method, a body that cannot be read."""
    if isinstance(error.__cause__, HeirloomError):  # ours, met while the framework read the body
        return domain_problem(request, error.__cause__)
    if not isinstance(error, HTTPException):
        raise error
    status = error.status_code
    detail = {404: "There is no such thing.", 400: "The body cannot be read."}.get(status, f"{error.detail}.")
    return problem_response(request, status, _CODES.get(status, "invalid_request"), detail, headers=error.headers)


def database_problem(request: Request, error: Exception) -> JSONResponse:
    """For a database that does not answer: nothing was done, or all of it; or for one that takes no writes."""
    if isinstance(error, WritesRefusedError):
        request.app.state.service.writes.refused()
        return domain_problem(request, read_only())
    cause = getattr(error, "orig", None)
    _log.error("database_away", error=error, cause=cause, sqlstate=getattr(cause, "sqlstate", None))
    return problem_response(
        request,
        503,
        "overloaded",
        "The database does not answer at this moment.",
        advice="Repeat the request in a few seconds, with the same Idempotency-Key where it has one.",
        retryable=True,
    )


def read_only() -> ReadOnlyError:
    """What is said of a request that would write where that cannot be."""
    return ReadOnlyError(
        "The service answers what it has and takes nothing new: its database takes no writes at this moment.",
        "Repeat the request in a few seconds, with the same Idempotency-Key where it has one; nothing was kept.",
    )


def install(app: FastAPI) -> None:
    """Let every error be told as a problem; what nobody foresaw is `api.middleware`'s."""
    app.add_exception_handler(HeirloomError, domain_problem)
    app.add_exception_handler(RequestValidationError, validation_problem)
    app.add_exception_handler(HTTPException, http_problem)
    for kind in DATABASE_AWAY:
        app.add_exception_handler(kind, database_problem)

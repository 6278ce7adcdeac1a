"""What surrounds every request: its id, its headers, its log lines, its count, and an answer whatever goes wrong."""

import logging
import re
import secrets
import time
from collections.abc import Iterable
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.edge.headers import add_missing, always
from api.errors import problem_response
from api.metrics import Metrics, method_label
from core import logs
from core.hosts import LOOPBACK_NAMES, host_name

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_PROBES = frozenset({"/livez", "/readyz"})
CLIENT_LEFT = 499
"""What is counted and logged where nobody waited for the answer: HTTP has no status for it."""
_log = logs.get_logger(__name__)


class Surroundings:
    """The outermost layer."""

    def __init__(self, app: ASGIApp, metrics: Metrics, *, https: bool) -> None:
        """Wrap an application.

        Args:
            app: the application.
            metrics: where answers are counted.
            https: see `core.settings.Settings.https`.
        """
        self._app = app
        self._metrics = metrics
        self._headers = always(https=https)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        given = request.headers.get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(12)
        request.state.request_id = request_id
        status = 0
        began = time.perf_counter()

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                rates = scope["state"].get("rate_headers", ())
                add_missing(message["headers"], (*self._headers, (b"x-request-id", request_id.encode()), *rates))
            await send(message)

        with logs.bound(request_id=request_id), self._metrics.in_flight():
            try:
                await self._app(scope, receive, sending)
            except ClientDisconnect:
                pass  # nobody is there to be answered: the line says so
            except Exception:
                _log.exception("request_failed", method=method_label(request.method))
                if status:  # half of an answer is out: the server cuts the connection, so that nobody takes it for all
                    raise
                response = problem_response(
                    request,
                    500,
                    "internal_error",
                    "Something went wrong here.",
                    advice="Tell the operator the request_id.",
                )
                await response(scope, receive, sending)
            finally:
                seconds = time.perf_counter() - began
                route = getattr(scope.get("route"), "path", None)
                self._metrics.answered(request.method, route, status or CLIENT_LEFT, seconds)
                _write_line(request, route, status or CLIENT_LEFT, seconds)


def _write_line(request: Request, route: str | None, status: int, seconds: float) -> None:
    """One line of a request: no path, query, body, name or key, but the route's template, and the job it made."""
    level = logging.WARNING if status >= HTTPStatus.INTERNAL_SERVER_ERROR else logging.INFO
    if route in _PROBES:  # asked every few seconds, by those who see the answer
        level = logging.DEBUG
    if not logging.getLogger(__name__).isEnabledFor(level):
        return
    job_id = getattr(request.state, "job_id", None)
    made = {} if job_id is None else {"job_id": job_id}
    method = method_label(request.method)
    _log.log(level, "request", method=method, route=route, status=status, seconds=round(seconds, 4), **made)


class HostGuard:
    """Keeps other sites' pages from a service that asks for no key: by Host, and by Origin where one is sent."""

    def __init__(self, app: ASGIApp, allowed_hosts: Iterable[str], *, listens_on: str, keyless: bool) -> None:
        """Wrap an application.

        Args:
            app: the application.
            allowed_hosts: names that requests may carry beside loopback's and its own, as `core.hosts.host_name` gives
                them; empty: no further ones when keyless, any otherwise.
            listens_on: the host that it is served on, and so its own name.
            keyless: without keys a page of another site could act as its reader.
        """
        self._app = app
        further = frozenset(allowed_hosts)
        self._hosts = further | LOOPBACK_NAMES | {host_name(listens_on)} if further or keyless else frozenset()
        self._keyless = keyless

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "http" and (what := self._refused(scope)):
            request = Request(scope, receive)
            advice = "Call the service by its own address; HEIRLOOM_ALLOWED_HOSTS lists further names."
            await problem_response(request, 403, "forbidden", what, advice=advice)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _refused(self, scope: Scope) -> str:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self._hosts and scope["path"] not in _PROBES and _name_of(host) not in self._hosts:
            return "This service is not called by that Host."
        origin = headers.get("origin")
        if self._keyless and origin is not None and origin not in (f"http://{host}", f"https://{host}"):
            return "A page of another Origin may not call this service."
        return ""


def _name_of(host: str) -> str:
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    return name.lower()

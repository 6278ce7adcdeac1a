"""What surrounds every request: its id, its log lines, its count, and an answer even where nobody foresaw the error."""

import re
import secrets
import time
from collections.abc import Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import problem_response
from api.metrics import Metrics
from core import logs

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
_PROBES = frozenset({"/livez", "/readyz"})
_log = logs.get_logger(__name__)


class Surroundings:
    """The outermost layer."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        """Wrap an application."""
        self._app = app
        self._metrics = metrics

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
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            await send(message)

        with logs.bound(request_id=request_id), self._metrics.in_flight():
            try:
                await self._app(scope, receive, sending)
            except ClientDisconnect:
                _log.info("client_left", method=request.method)
            except Exception:
                _log.exception("request_failed", method=request.method)
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
                route = scope.get("route")
                path = getattr(route, "path", None)
                self._metrics.answered(request.method, path, status or 499, time.perf_counter() - began)


class HostGuard:
    """Keeps other sites' pages from a service that asks for no key: by Host, and by Origin where one is sent."""

    def __init__(self, app: ASGIApp, allowed_hosts: Sequence[str], *, keyless: bool) -> None:
        """Wrap an application.

        Args:
            app: the application.
            allowed_hosts: names that requests may carry; empty: loopback's when keyless, any otherwise.
            keyless: without keys a page of another site could act as its reader.
        """
        self._app = app
        self._hosts = frozenset(allowed_hosts) or (_LOOPBACK if keyless else frozenset())
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

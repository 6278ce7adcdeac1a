"""What every request passes before anything is done for it: its address's rate, and a place to be worked on."""

import secrets

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.edge.addresses import Addresses
from api.edge.admission import Lane, Place
from api.edge.bare_answers import BUSY, MEDIA_TYPE, RETRY_SECONDS, problem_body
from api.edge.headers import RawHeaders, always
from api.edge.rates import Rates, too_often, whole_seconds
from api.edge.refusals import Refusals
from core.domain.errors import OverloadedError, RequestError
from core.settings import Settings

PLACE = "place"
ADDRESS = "address"
"""Where the request's state has its place, and where it comes from."""
_ALIVE = "/livez"
_PROBES = frozenset({"/readyz", "/metrics"})
_PROBES_AT_ONCE = 4
_WRITES_WAIT_SECONDS = 2.0
"""Sixty photos that somebody drops at once are no overload, and each is worth a moment."""
_READS = frozenset({"GET", "HEAD", "OPTIONS"})


class Gate:
    """The outermost layer: what it refuses costs next to nothing, and was not read."""

    def __init__(self, app: ASGIApp, settings: Settings, rates: Rates, reads: Lane, refusals: Refusals) -> None:
        """Wrap an application.

        Args:
            app: the application.
            settings: the operator's.
            rates: which of them are kept here are those by address.
            reads: the places of requests that read; connections look at it, too.
            refusals: where those are counted.
        """
        self._app = app
        self._rates = rates if rates.need_addresses else None
        self._addresses = Addresses(settings.trusted_proxies)
        self._refusals = refusals
        self._headers = always(https=settings.https)
        self._reads = reads
        self._writes = Lane(settings.max_writes_in_hand, _WRITES_WAIT_SECONDS)
        self._probes = Lane(_PROBES_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer 429 or 503."""
        path = scope.get("path", "")
        if scope["type"] != "http" or path == _ALIVE:
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        if self._rates is not None:
            address = state[ADDRESS] = self._addresses.of(scope)
            standing = self._rates.take_by_address(address) if path not in _PROBES else None
            if standing is not None and not standing.allowed:
                told = self._rates.headers_by_address(standing)
                await self._refuse(scope, send, 429, too_often("from this address"), standing.wait_seconds, told)
                return
        lane = self._lane_of(scope["method"], path)
        if not lane.enter_at_once() and not await lane.enter_in_turn():
            await self._refuse(scope, send, 503, _BUSY, RETRY_SECONDS, [])
            return
        place = state[PLACE] = Place(lane)

        async def sending(message: Message) -> None:
            place.give_back()  # what is left is to hand out what is there, at the caller's own speed
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            place.give_back()

    def _lane_of(self, method: str, path: str) -> Lane:
        if path in _PROBES:
            return self._probes
        return self._reads if method in _READS else self._writes

    async def _refuse(
        self, scope: Scope, send: Send, status: int, why: RequestError, wait_seconds: float, told: RawHeaders
    ) -> None:
        request_id = secrets.token_hex(12)
        body = problem_body(status, why.code, why.message, why.advice, path=scope["path"], request_id=request_id)
        headers: RawHeaders = [
            (b"content-type", MEDIA_TYPE),
            (b"content-length", str(len(body)).encode()),
            (b"retry-after", str(whole_seconds(wait_seconds)).encode()),
            (b"x-request-id", request_id.encode()),
            *self._headers,
            *told,
        ]
        self._refusals.note(scope["method"], status)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


_BUSY = OverloadedError(*BUSY)

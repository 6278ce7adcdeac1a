"""Who calls, by the request's key; how often, by that key and by those that were none."""

from fastapi import Request

from api.edge.gate import ADDRESS
from api.edge.rates import too_often, whole_seconds
from api.service import Service
from core.db.refused import WritesRefusedError
from core.db.session import now_of
from core.domain.errors import UnauthenticatedError
from core.services import access
from core.services.access import LOCAL_CALLER, Caller


def token_of(request: Request) -> str | None:
    """The bearer token, where one is sent."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def authenticated(service: Service, request: Request) -> Caller:
    """The caller; that the key was used is noted.

    Raises:
        UnauthenticatedError: no key, or not one of ours.
        QuotaExceededError: too many requests with this key within a minute, or too many wrong keys from this address.
    """
    token = token_of(request)
    if token is None and service.keyless:
        return LOCAL_CALLER
    address = getattr(request.state, ADDRESS, "")
    if wait_seconds := service.rates.check_before_key(address, token):
        request.state.retry_after_seconds = whole_seconds(wait_seconds)
        raise too_often("with keys that are not known, from this address,")
    try:
        caller = _looked_up(service, token)
    except UnauthenticatedError:
        if token is not None:
            service.rates.key_was_wrong(address)
        raise
    service.rates.key_was_right(token or "")
    _count(service, request, caller)
    return caller


def _looked_up(service: Service, token: str | None) -> Caller:
    with service.database.read() as session:
        caller = access.authenticate(session, token)
        noted = access.use_is_noted(caller, now_of(session))
    if not noted:
        try:
            with service.database.write() as session:
                access.note_use(session, caller)
        except WritesRefusedError:  # who only reads is answered all the same
            service.writes.refused()
    return caller


def _count(service: Service, request: Request, caller: Caller) -> None:
    taken = service.rates.take_by_key(caller.key_id)
    if taken is None:
        return
    standing, request.state.rate_headers = taken
    if not standing.allowed:
        request.state.retry_after_seconds = whole_seconds(standing.wait_seconds)
        raise too_often("with this key")

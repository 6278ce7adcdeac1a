"""Webhooks: servers of callers that are told what happens."""

from fastapi import APIRouter
from fastapi.responses import Response

from api.deps import CallDep, Id
from api.documented import IDENTIFIED, JSON_BODY, POSTED, made, problems
from api.guard import Guard, guarded
from api.pages import Page
from api.routing import GuardedRoute
from api.schemas.webhook import (
    DeliveryOut,
    DeliveryPage,
    WebhookEndpointIn,
    WebhookEndpointMade,
    WebhookEndpointOut,
    WebhookEndpointPage,
)
from core.domain.webhook import DeliveryStatus
from core.services import webhooks

router = APIRouter(prefix="/v1/webhook-endpoints", tags=["webhooks"], route_class=GuardedRoute)


@router.post("", status_code=201, responses=made(WebhookEndpointMade, "Made") | problems(*JSON_BODY, *POSTED))
def create(body: WebhookEndpointIn, call: CallDep) -> Response:
    """Let a server of yours be told of jobs and subjects. The answer has its secret, which is shown this once."""
    with call.write() as session:
        endpoint = webhooks.create(session, call.owner_id, body.url, body.events, call.service.webhook_guard)
        location = {"Location": f"/v1/webhook-endpoints/{endpoint.id}"}
        return call.answer(session, WebhookEndpointMade.of(endpoint), 201, location)


@router.get("", response_model=WebhookEndpointPage, responses=problems())
def listed(page: Page, call: CallDep) -> Response:
    """Your endpoints, newest first."""
    with call.read() as session:
        rows = webhooks.listed(session, call.owner_id, page.one_more, page.before_id)
        body, headers = page.of(rows, lambda row: row.id, WebhookEndpointPage, WebhookEndpointOut.of)
        return call.answer(session, body, headers=headers)


@router.get("/{endpoint_id}", response_model=WebhookEndpointOut, responses=problems(*IDENTIFIED))
def one(endpoint_id: Id, call: CallDep) -> Response:
    """An endpoint, without its secret."""
    with call.read() as session:
        return call.answer(session, WebhookEndpointOut.of(webhooks.get(session, call.owner_id, endpoint_id)))


@router.post("/{endpoint_id}/secret", response_model=WebhookEndpointMade, responses=problems(*IDENTIFIED, *POSTED))
@guarded(Guard(body="none"))
def replace_secret(endpoint_id: Id, call: CallDep) -> Response:
    """Replace an endpoint's secret. For a day the former one signs as well: no event is lost while you change over."""
    with call.write() as session:
        endpoint = webhooks.replace_secret(session, call.owner_id, endpoint_id)
        return call.answer(session, WebhookEndpointMade.of(endpoint))


@router.delete("/{endpoint_id}", status_code=204, responses=problems(*IDENTIFIED))
def delete(endpoint_id: Id, call: CallDep) -> Response:
    """Forget an endpoint, and what is still on its way there."""
    with call.write() as session:
        webhooks.delete(session, call.owner_id, endpoint_id)
    return Response(status_code=204)


@router.get("/{endpoint_id}/deliveries", response_model=DeliveryPage, responses=problems(*IDENTIFIED))
def deliveries(endpoint_id: Id, page: Page, call: CallDep, status: DeliveryStatus | None = None) -> Response:
    """What was sent to an endpoint, or is to be, newest first."""
    with call.read() as session:
        asked = (endpoint_id, page.one_more, page.before_id, status)
        rows = webhooks.deliveries(session, call.owner_id, *asked)
        body, headers = page.of(rows, lambda row: row.id, DeliveryPage, DeliveryOut.of)
        return call.answer(session, body, headers=headers)


@router.post(
    "/{endpoint_id}/deliveries/{delivery_id}/replay",
    status_code=202,
    response_model=DeliveryOut,
    responses=problems(*IDENTIFIED, *POSTED),
)
@guarded(Guard(body="none"))
def replay(endpoint_id: Id, delivery_id: Id, call: CallDep) -> Response:
    """Send an event once more, under its old id; 409 while it is still being tried."""
    with call.write() as session:
        delivery = webhooks.replay(session, call.owner_id, endpoint_id, delivery_id)
        return call.answer(session, DeliveryOut.of(delivery), 202)

"""Webhooks: who listens, and what became of what was sent."""

from typing import Annotated, Any, Self

from pydantic import Field

from api.schemas.members import Answered, Instant, Sent
from core.db.tables import WebhookDelivery, WebhookEndpoint
from core.domain.webhook import DeliveryStatus, WebhookEvent
from core.webhooks.address import MOST_CHARACTERS

WebhookUrl = Annotated[str, Field(min_length=1, max_length=MOST_CHARACTERS, json_schema_extra={"format": "uri"})]
_ALL = list(WebhookEvent)


class WebhookEndpointIn(Sent):
    """A server of yours that is to be told."""

    url: Annotated[WebhookUrl, Field(description="https://…, of a host on the internet; no redirect is followed.")]
    events: Annotated[
        list[WebhookEvent],
        Field(
            max_length=len(_ALL),
            description="Which; all by default. None: only what names this server, a restoration's webhook_url.",
        ),
    ] = _ALL


class WebhookLinks(Answered):
    """Where to go on."""

    self: str
    deliveries: str
    secret: str


class WebhookEndpointOut(Answered):
    """A server that is told."""

    id: str
    url: str
    events: list[WebhookEvent]
    former_secret_until: Instant | None = Field(description="Until then the secret that was replaced signs as well.")
    created_at: Instant
    links: WebhookLinks

    @classmethod
    def of(cls, endpoint: WebhookEndpoint) -> Self:
        """A row as it is shown, again and again: without its secret."""
        return cls(**_shown(endpoint))


class WebhookEndpointMade(WebhookEndpointOut):
    """A server that is told, and the secret that signs for it from now on."""

    secret: str = Field(description="whsec_…, as Standard Webhooks' libraries take it. It is shown this once.")

    @classmethod
    def of(cls, endpoint: WebhookEndpoint) -> Self:
        """A row as it is shown once."""
        return cls(**_shown(endpoint), secret=endpoint.secret)


def _shown(endpoint: WebhookEndpoint) -> dict[str, Any]:
    path = f"/v1/webhook-endpoints/{endpoint.id}"
    return {
        "id": endpoint.id,
        "url": endpoint.url,
        "events": endpoint.events,
        "former_secret_until": endpoint.former_secret_until,
        "created_at": endpoint.created_at,
        "links": WebhookLinks(self=path, deliveries=f"{path}/deliveries", secret=f"{path}/secret"),
    }


class WebhookEndpointPage(Answered):
    """Endpoints, newest first."""

    data: list[WebhookEndpointOut]
    next_cursor: str | None


class DeliveryOut(Answered):
    """One event on its way to one endpoint."""

    id: str
    endpoint_id: str
    url: str | None = Field(description="Where it goes instead of to the endpoint's own: a restoration's webhook_url.")
    event_id: str = Field(description="webhook-id: the same in every attempt, and wherever else the event is told.")
    type: WebhookEvent
    payload: dict[str, Any]
    status: DeliveryStatus
    attempts: int = Field(description="Since it was made, or sent again by hand.")
    next_attempt_at: Instant | None
    answer_status: int | None = Field(description="What the last attempt was answered.")
    code: str = Field(
        description="Why the last attempt came to nothing: name_not_found, address_refused, connection_failed, "
        "tls_failed, timeout, not_http, redirected, refused; empty where it did not."
    )
    created_at: Instant
    delivered_at: Instant | None
    expires_at: Instant

    @classmethod
    def of(cls, delivery: WebhookDelivery) -> Self:
        """A row as it is shown."""
        return cls(
            id=delivery.id,
            endpoint_id=delivery.endpoint_id,
            url=delivery.url,
            event_id=delivery.event_id,
            type=WebhookEvent(delivery.type),
            payload=delivery.payload,
            status=DeliveryStatus(delivery.status),
            attempts=delivery.attempts,
            next_attempt_at=delivery.due_at,
            answer_status=delivery.answer_status,
            code=delivery.code,
            created_at=delivery.created_at,
            delivered_at=delivery.delivered_at,
            expires_at=delivery.expires_at,
        )


class DeliveryPage(Answered):
    """Deliveries, newest first."""

    data: list[DeliveryOut]
    next_cursor: str | None

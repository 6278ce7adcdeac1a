"""Webhook endpoints: who listens to what, under which secret, and what became of what was sent there."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from core.db import webhooks
from core.db.session import now_of
from core.db.tables import WebhookDelivery, WebhookEndpoint
from core.domain.errors import ConflictError, InvalidRequestError, NotFoundError
from core.domain.ids import Prefix, new_id
from core.domain.webhook import DELIVERY_LIFE, FORMER_SECRET_LIFE, DeliveryStatus, WebhookEvent
from core.services import idempotency
from core.webhooks.address import parse
from core.webhooks.guard import AddressGuard
from core.webhooks.signature import new_secret

MOST_ENDPOINTS = 20


def create(
    session: Session, owner_id: str, url: str, events: Sequence[WebhookEvent], guard: AddressGuard
) -> WebhookEndpoint:
    """A new endpoint, with a secret.

    Args:
        session: the transaction.
        owner_id: whose events it hears.
        url: where it is.
        events: which; none: those alone that name it, a restoration's `webhook_url`.
        guard: which addresses may be reached.

    Raises:
        AddressRefusedError: it is no plain address, or one that is seen not to be public. What a name stands for is
            looked at whenever something is sent.
        ConflictError: there are as many as there may be.
    """
    guard.check_written(parse(url, "/url"), "/url")
    if webhooks.count(session, owner_id) >= MOST_ENDPOINTS:
        raise ConflictError(f"You have {MOST_ENDPOINTS} webhook endpoints, which are the most.", "Delete one first.")
    return webhooks.insert(
        session,
        WebhookEndpoint(
            id=new_id(Prefix.WEBHOOK_ENDPOINT),
            owner_id=owner_id,
            url=url,
            events=sorted(set(events)),
            secret=new_secret(),
            created_at=now_of(session),
        ),
    )


def get(session: Session, owner_id: str, endpoint_id: str, *, lock: bool = False) -> WebhookEndpoint:
    """An owner's endpoint.

    Raises:
        NotFoundError: there is none.
    """
    endpoint = webhooks.get(session, owner_id, endpoint_id, lock=lock)
    if endpoint is None:
        raise NotFoundError("There is no such webhook endpoint.", "GET /v1/webhook-endpoints lists yours.")
    return endpoint


def listed(session: Session, owner_id: str, limit: int, before_id: str | None) -> Sequence[WebhookEndpoint]:
    """An owner's endpoints, newest first."""
    return webhooks.listed(session, owner_id, limit, before_id)


def replace_secret(session: Session, owner_id: str, endpoint_id: str) -> WebhookEndpoint:
    """A new secret; for a day the former one signs as well, so that the receiver can change over in its own time.

    Raises:
        NotFoundError: there is no such endpoint.
    """
    endpoint = get(session, owner_id, endpoint_id, lock=True)
    idempotency.forget_about(session, owner_id, endpoint_id)  # an answer that is kept there shows the secret
    endpoint.former_secret, endpoint.secret = endpoint.secret, new_secret()
    endpoint.former_secret_until = now_of(session) + FORMER_SECRET_LIFE
    session.flush()
    return endpoint


def delete(session: Session, owner_id: str, endpoint_id: str) -> None:
    """Forget an endpoint, its secrets, and what was on its way there.

    Raises:
        NotFoundError: there is no such endpoint.
    """
    session.delete(get(session, owner_id, endpoint_id, lock=True))
    idempotency.forget_about(session, owner_id, endpoint_id)
    session.flush()


def target_of(session: Session, owner_id: str, url: str) -> dict[str, str]:
    """Who signs for a restoration's `webhook_url`: an endpoint on the same server, whose secret that server knows.

    Args:
        session: the transaction.
        owner_id: whose restoration.
        url: where to.

    Returns:
        See `core.db.outbox.WEBHOOK_OPTION`.

    Raises:
        AddressRefusedError: it is no plain address.
        InvalidRequestError: no endpoint of the owner's has its scheme, host and port.
    """
    address = parse(url, "/webhook_url")
    for endpoint in webhooks.listed(session, owner_id, MOST_ENDPOINTS):
        if parse(endpoint.url).origin == address.origin:
            return {"endpoint_id": endpoint.id, "url": url}
    raise InvalidRequestError(
        "None of your webhook endpoints is on the server of this webhook_url, so that no secret could sign for it.",
        "POST /v1/webhook-endpoints with that server first, with events: [] if it shall hear of nothing else.",
        pointer="/webhook_url",
    )


def deliveries(
    session: Session, owner_id: str, endpoint_id: str, limit: int, before_id: str | None, status: str | None
) -> Sequence[WebhookDelivery]:
    """What was sent to an endpoint, or is to be, newest first.

    Raises:
        NotFoundError: there is no such endpoint.
    """
    get(session, owner_id, endpoint_id)
    return webhooks.deliveries(session, owner_id, endpoint_id, limit, before_id, status)


def replay(session: Session, owner_id: str, endpoint_id: str, delivery_id: str) -> WebhookDelivery:
    """Send an event once more, under its old id, with all its attempts before it.

    Raises:
        NotFoundError: there is no such endpoint, or none of its deliveries.
        ConflictError: it is still being tried.
    """
    get(session, owner_id, endpoint_id)
    delivery = webhooks.delivery(session, owner_id, endpoint_id, delivery_id, lock=True)
    if delivery is None:
        raise NotFoundError("There is no such delivery.", "GET …/deliveries lists them.")
    if delivery.status == DeliveryStatus.PENDING:
        raise ConflictError("This delivery is still being tried.", "Wait for its next attempt: next_attempt_at.")
    now = now_of(session)
    delivery.status, delivery.attempts, delivery.due_at = DeliveryStatus.PENDING, 0, now
    delivery.delivered_at, delivery.expires_at = None, now + DELIVERY_LIFE
    session.flush()
    return delivery

"""The deliveries as a queue of their own: made from the outbox, claimed with a lease, ended or put off.

Workers share it as they share jobs, with SKIP LOCKED. The number of attempts is the fence.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, String, exists, func, literal, select
from sqlalchemy.orm import Session

from core.db.tables import OutboxMessage, WebhookDelivery, WebhookEndpoint
from core.domain.ids import Prefix, new_id
from core.domain.webhook import DELIVERY_LIFE, DeliveryStatus

_PENDING: ColumnElement[bool] = WebhookDelivery.status == literal(
    DeliveryStatus.PENDING.value, String, literal_execute=True
)
"""Written into the statement, so that the partial index serves it."""


def any_work(session: Session, now: datetime) -> bool:
    """Whether there is something to hand over or to send: idle workers ask this, and take no lock."""
    waiting = select(OutboxMessage.id).exists()
    due = exists().where(_PENDING, WebhookDelivery.due_at <= now)
    return bool(session.scalar(select(waiting | due)))


def hand_over(session: Session, now: datetime, most: int) -> int:
    """Make deliveries of what stands in the outbox; how many messages were taken from it.

    Whoever came to listen after an event is not told of it.
    """
    query = select(OutboxMessage).order_by(OutboxMessage.id).limit(most).with_for_update(skip_locked=True)
    messages = session.scalars(query).all()
    listeners = select(WebhookEndpoint).where(WebhookEndpoint.owner_id.in_({one.owner_id for one in messages}))
    # Kept from being deleted until the deliveries name them.
    kept = listeners.with_for_update(read=True, key_share=True)
    endpoints = session.scalars(kept).all() if messages else []
    for message in messages:
        for endpoint, url in _told(message, [one for one in endpoints if one.owner_id == message.owner_id]):
            session.add(_delivery(message, endpoint, url, now))
        session.delete(message)
    session.flush()
    return len(messages)


def _told(message: OutboxMessage, endpoints: Sequence[WebhookEndpoint]) -> list[tuple[WebhookEndpoint, str | None]]:
    """Who listens to a message; and where to, if not the endpoint's own address."""
    found: list[tuple[WebhookEndpoint, str | None]] = [
        (endpoint, None)
        for endpoint in endpoints
        if message.type in endpoint.events and endpoint.created_at <= message.created_at
    ]
    also = message.payload["also"] or {}
    for endpoint in endpoints:
        # Its own address is told once, however it is named.
        if endpoint.id == also.get("endpoint_id") and ((endpoint, None) not in found or endpoint.url != also["url"]):
            found.append((endpoint, also["url"]))
    return found


def _delivery(message: OutboxMessage, endpoint: WebhookEndpoint, url: str | None, now: datetime) -> WebhookDelivery:
    at = message.created_at.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return WebhookDelivery(
        id=new_id(Prefix.DELIVERY),
        owner_id=message.owner_id,
        endpoint_id=endpoint.id,
        url=url,
        event_id=message.payload["id"],
        type=message.type,
        payload={"type": message.type, "timestamp": at, "data": message.payload["data"]},
        status=DeliveryStatus.PENDING,
        due_at=now,
        created_at=now,
        expires_at=now + DELIVERY_LIFE,
    )


def claim(session: Session, now: datetime, lease: timedelta, most: int, most_each: int) -> list[WebhookDelivery]:
    """Take deliveries that are due; so many of one endpoint at once, so that a slow one holds up nobody else.

    Each has one attempt more, and comes back after the lease if nothing is written about it.
    """
    place = func.row_number().over(partition_by=WebhookDelivery.endpoint_id, order_by=WebhookDelivery.due_at)
    ranked = select(WebhookDelivery.id, place.label("place")).where(_PENDING, WebhookDelivery.due_at <= now).subquery()
    first = select(ranked.c.id).where(ranked.c.place <= most_each)
    query = (
        select(WebhookDelivery)
        .where(WebhookDelivery.id.in_(first), _PENDING, WebhookDelivery.due_at <= now)
        .order_by(WebhookDelivery.due_at)
        .limit(most)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )
    taken = list(session.scalars(query))
    for delivery in taken:
        delivery.attempts += 1
        delivery.due_at = now + lease
    session.flush()
    return taken


def attempted(session: Session, delivery_id: str, attempt: int) -> WebhookDelivery | None:
    """Lock a delivery about which this attempt has something to say; None where it has no say any more."""
    query = select(WebhookDelivery).where(
        WebhookDelivery.id == delivery_id, WebhookDelivery.attempts == attempt, _PENDING
    )
    return session.scalars(query.with_for_update().execution_options(populate_existing=True)).first()


def endpoints_of(session: Session, deliveries: Sequence[WebhookDelivery]) -> dict[str, WebhookEndpoint]:
    """The endpoints of some deliveries, by id."""
    query = select(WebhookEndpoint).where(WebhookEndpoint.id.in_({one.endpoint_id for one in deliveries}))
    return {endpoint.id: endpoint for endpoint in session.scalars(query)}

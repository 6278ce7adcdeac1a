"""Endpoints of callers' own servers, and what is on its way to them, as their owner sees them."""

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.db.tables import WebhookDelivery, WebhookEndpoint


def insert(session: Session, endpoint: WebhookEndpoint) -> WebhookEndpoint:
    """A new endpoint."""
    session.add(endpoint)
    session.flush()
    return endpoint


def get(session: Session, owner_id: str, endpoint_id: str, *, lock: bool = False) -> WebhookEndpoint | None:
    """An owner's endpoint."""
    query = select(WebhookEndpoint).where(WebhookEndpoint.owner_id == owner_id, WebhookEndpoint.id == endpoint_id)
    return session.scalars(query.with_for_update() if lock else query).first()


def listed(session: Session, owner_id: str, limit: int, before_id: str | None = None) -> Sequence[WebhookEndpoint]:
    """An owner's endpoints, newest first, those older than `before_id`."""
    query = select(WebhookEndpoint).where(WebhookEndpoint.owner_id == owner_id)
    query = query if before_id is None else query.where(WebhookEndpoint.id < before_id)
    return session.scalars(query.order_by(WebhookEndpoint.id.desc()).limit(limit)).all()


def count(session: Session, owner_id: str) -> int:
    """How many endpoints an owner has."""
    query = select(func.count()).select_from(WebhookEndpoint).where(WebhookEndpoint.owner_id == owner_id)
    return session.scalar(query) or 0


def delivery(
    session: Session, owner_id: str, endpoint_id: str, delivery_id: str, *, lock: bool = False
) -> WebhookDelivery | None:
    """One of an endpoint's deliveries."""
    query = select(WebhookDelivery).where(
        WebhookDelivery.owner_id == owner_id,
        WebhookDelivery.endpoint_id == endpoint_id,
        WebhookDelivery.id == delivery_id,
    )
    return session.scalars(query.with_for_update() if lock else query).first()


def deliveries(
    session: Session,
    owner_id: str,
    endpoint_id: str,
    limit: int,
    before_id: str | None = None,
    status: str | None = None,
) -> Sequence[WebhookDelivery]:
    """An endpoint's deliveries, newest first, those older than `before_id`."""
    query = select(WebhookDelivery).where(
        WebhookDelivery.owner_id == owner_id, WebhookDelivery.endpoint_id == endpoint_id
    )
    query = query if before_id is None else query.where(WebhookDelivery.id < before_id)
    query = query if status is None else query.where(WebhookDelivery.status == status)
    return session.scalars(query.order_by(WebhookDelivery.id.desc()).limit(limit)).all()

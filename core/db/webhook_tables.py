"""The tables of what callers' own servers are told; `core.db.tables` has them too."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from core.db.base import ID, Base, index, owner
from core.db.types import BigId


class OutboxMessage(Base):
    """What is to be told to the outside, written in the transaction that makes it true.

    It is gone once there is a delivery for everybody who listens.
    """

    __tablename__ = "outbox"
    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    owner_id: Mapped[str] = mapped_column(ID, ForeignKey("owners.id"))
    type: Mapped[str] = mapped_column(String(64))
    payload: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    """Nothing writes it any more; the release before this one wants it to be there."""


class WebhookEndpoint(Base):
    """A server of an owner's that is told of events.

    Its secret stands here as it is, because it signs; while it is being replaced the former one signs as well.
    """

    __tablename__ = "webhook_endpoints"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    owner_id: Mapped[str] = owner()
    url: Mapped[str] = mapped_column(Text)
    events: Mapped[list[Any]]
    """Of these types; with none it hears what names it alone, a restoration's `webhook_url`."""
    secret: Mapped[str] = mapped_column(String(100))
    former_secret: Mapped[str | None] = mapped_column(String(100))
    former_secret_until: Mapped[datetime | None]
    created_at: Mapped[datetime]


class WebhookDelivery(Base):
    """One event on its way to one endpoint.

    `due_at` is when it is tried next. A worker that tries it sets it to when another may, should that worker die.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (index("ix_webhook_deliveries_due", "due_at", where="status = 'pending'"),)
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    owner_id: Mapped[str] = mapped_column(ID, ForeignKey("owners.id"))
    endpoint_id: Mapped[str] = mapped_column(ID, ForeignKey("webhook_endpoints.id", ondelete="CASCADE"), index=True)
    url: Mapped[str | None] = mapped_column(Text)
    """Where it goes instead of to the endpoint's own: a restoration's `webhook_url`."""
    event_id: Mapped[str] = mapped_column(ID)
    type: Mapped[str] = mapped_column(String(64))
    payload: Mapped[dict[str, Any]]
    status: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    due_at: Mapped[datetime | None]
    answer_status: Mapped[int | None] = mapped_column(Integer)
    code: Mapped[str] = mapped_column(String(32), default="")
    created_at: Mapped[datetime]
    delivered_at: Mapped[datetime | None]
    expires_at: Mapped[datetime] = mapped_column(index=True)

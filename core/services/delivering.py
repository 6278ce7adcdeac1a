"""Deliveries on their way: taken from the outbox, signed, and what became of them written down."""

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from core.db import deliveries
from core.db.session import Database, now_of
from core.db.tables import WebhookDelivery, WebhookEndpoint
from core.domain.webhook import DeliveryStatus, retry_after
from core.webhooks.address import WebhookAddress, parse
from core.webhooks.outbound import WHOLE_SECONDS, Outcome
from core.webhooks.signature import headers

LEASE = timedelta(seconds=8 * WHOLE_SECONDS)
"""How long nobody else sends what one worker is sending: looking a name up has no time of its own."""
MOST_AT_ONCE = 16
MOST_TO_ONE_ENDPOINT = 4
_HANDED_OVER_AT_ONCE = 200


@dataclass(frozen=True)
class Parcel:
    """An event, addressed and signed.

    Attributes:
        delivery_id: whose attempt this is.
        attempt: its number, and the fence.
        address: where to.
        headers: with the signatures; they stay out of anything printed.
        body: the JSON.
    """

    delivery_id: str
    attempt: int
    address: WebhookAddress = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


def collect(database: Database) -> list[Parcel]:
    """Everything that this worker shall send now; it has the lease of it.

    Raises:
        SQLAlchemyError: the database is away.
    """
    with database.read() as session:
        if not deliveries.any_work(session, now_of(session)):
            return []
    with database.write() as session:
        now = now_of(session)
        deliveries.hand_over(session, now, _HANDED_OVER_AT_ONCE)
        taken = deliveries.claim(session, now, LEASE, MOST_AT_ONCE, MOST_TO_ONE_ENDPOINT)
        endpoints = deliveries.endpoints_of(session, taken)
        return [_parcel(one, endpoints[one.endpoint_id], int(now.timestamp())) for one in taken]


def _parcel(delivery: WebhookDelivery, endpoint: WebhookEndpoint, timestamp: int) -> Parcel:
    body = json.dumps(delivery.payload, sort_keys=True, separators=(",", ":")).encode()
    alive = [endpoint.secret]
    if endpoint.former_secret is not None and endpoint.former_secret_until is not None:
        alive += [endpoint.former_secret] if endpoint.former_secret_until.timestamp() > timestamp else []
    return Parcel(
        delivery_id=delivery.id,
        attempt=delivery.attempts,
        address=parse(delivery.url or endpoint.url),
        headers=headers(alive, delivery.event_id, timestamp, body),
        body=body,
    )


def note(database: Database, parcel: Parcel, outcome: Outcome) -> DeliveryStatus | None:
    """Write down what became of an attempt: delivered, to be tried again, or given up.

    Returns:
        Where the delivery stands; None where it is gone, or another attempt has taken over.

    Raises:
        SQLAlchemyError: the database is away; the delivery is sent again once the lease is over.
    """
    with database.write() as session:
        delivery = deliveries.attempted(session, parcel.delivery_id, parcel.attempt)
        if delivery is None:
            return None
        now = now_of(session)
        delivery.answer_status, delivery.code = outcome.status, outcome.code
        wait = retry_after(parcel.attempt, random.random())  # noqa: S311  # spreads attempts; nothing secret
        if outcome.taken:
            delivery.status, delivery.due_at, delivery.delivered_at = DeliveryStatus.DELIVERED, None, now
        elif wait is None or outcome.final:
            delivery.status, delivery.due_at = DeliveryStatus.FAILED, None
        else:
            delivery.due_at = now + wait
        return DeliveryStatus(delivery.status)

"""From the outbox to somebody's server: once each, again where it failed, and never twice at the same time."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from core.db import deliveries, outbox
from core.db.session import now_of
from core.db.tables import OutboxMessage, WebhookDelivery, WebhookEndpoint
from core.domain.webhook import RETRY_SECONDS, DeliveryStatus, WebhookEvent, retry_after
from core.services import webhooks
from core.services.delivering import LEASE, collect, note
from core.services.retention import forget_expired
from core.webhooks.guard import AddressGuard
from core.webhooks.outbound import Outcome
from tests import rows
from tests.rows import OWNER

URL = "https://photos.example.org/hook"
REFUSED = Outcome(500, "refused")


def listen(database, url=URL, events=tuple(WebhookEvent), owner_id=OWNER):
    with database.write() as session:
        return webhooks.create(session, owner_id, url, events, AddressGuard())


def tell(database, event=WebhookEvent.SUBJECT_DELETED, also=None, owner_id=OWNER, **data):
    with database.write() as session:
        outbox.append(session, owner_id, event, now_of(session), data or {"subject_id": "sub_1"}, also)


def everything(database):
    with database.read() as session:
        return list(session.scalars(select(WebhookDelivery).order_by(WebhookDelivery.id)))


def let_pass(database, **columns):
    """Let every delivery's time come."""
    with database.write() as session:
        for row in session.scalars(select(WebhookDelivery)):
            row.due_at = row.due_at and now_of(session)
            for name, value in columns.items():
                setattr(row, name, value)


def test_an_event_becomes_one_parcel_for_each_who_listens(database):
    first = listen(database)
    second = listen(database, "https://other.example.org/", [WebhookEvent.SUBJECT_DELETED])
    listen(database, "https://third.example.org/", [WebhookEvent.JOB_FAILED])
    tell(database)
    parcels = collect(database)
    assert {parcel.address.host for parcel in parcels} == {"photos.example.org", "other.example.org"}
    assert len({parcel.headers["webhook-id"] for parcel in parcels}) == 1
    assert {row.endpoint_id for row in everything(database)} == {first.id, second.id}
    body = json.loads(parcels[0].body)
    assert (body["type"], body["data"]) == ("subject.deleted", {"subject_id": "sub_1"})
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(OutboxMessage)) == 0


def test_nobody_hears_of_what_was_before_they_listened_or_is_somebody_else_s(database):
    with database.write() as session:
        from core.db import owners

        eve = owners.insert(session, "Eve", now_of(session)).id
    listen(database, owner_id=eve)
    tell(database)
    listen(database)
    assert collect(database) == []
    assert everything(database) == []


def test_while_one_worker_sends_no_other_does_and_after_its_lease_another_may(database):
    listen(database)
    tell(database)
    (parcel,) = collect(database)
    assert collect(database) == []
    let_pass(database)
    (again,) = collect(database)
    assert (parcel.attempt, again.attempt) == (1, 2)
    assert again.headers["webhook-id"] == parcel.headers["webhook-id"]
    assert again.body == parcel.body
    assert note(database, parcel, Outcome(204)) is None  # the first one comes too late to say anything
    assert note(database, again, Outcome(204)) is DeliveryStatus.DELIVERED
    let_pass(database)
    assert collect(database) == []


def test_what_was_refused_is_tried_again_later_and_later_and_given_up_after_a_day(database):
    listen(database)
    tell(database)
    waits = []
    while parcels := collect(database):
        with database.read() as session:
            before = now_of(session)
        status = note(database, parcels[0], REFUSED)
        (row,) = everything(database)
        assert (row.code, row.answer_status) == ("refused", 500)
        if status is DeliveryStatus.PENDING:
            waits.append(row.due_at - before)
        let_pass(database)
    assert status is DeliveryStatus.FAILED
    assert row.due_at is None
    assert len(waits) == len(RETRY_SECONDS)
    assert waits[:-1] == sorted(waits[:-1])
    assert timedelta(hours=20) < sum(waits, timedelta()) < timedelta(hours=24)


def test_a_receiver_that_is_gone_for_good_is_not_tried_again(database):
    listen(database)
    tell(database)
    assert note(database, collect(database)[0], Outcome(410, "refused")) is DeliveryStatus.FAILED


def test_the_waits_never_grow_by_their_jitter():
    assert retry_after(1, 1.0) == timedelta(seconds=4.5)
    assert retry_after(1) == timedelta(seconds=5)
    assert retry_after(len(RETRY_SECONDS)) is not None
    assert retry_after(len(RETRY_SECONDS) + 1) is None


def test_a_slow_endpoint_holds_up_nobody_else(database):
    listen(database, "https://slow.example.org/")
    for _ in range(6):
        tell(database)
    quick = listen(database, "https://quick.example.org/")
    tell(database)
    hosts = [parcel.address.host for parcel in collect(database)]
    assert hosts.count("slow.example.org") == 4
    assert hosts.count("quick.example.org") == 1
    assert quick.id in {row.endpoint_id for row in everything(database)}


def test_a_restoration_s_own_address_hears_of_its_job_alone_under_its_endpoint_s_secret(database):
    endpoint = listen(database, events=[])
    also = {"endpoint_id": endpoint.id, "url": f"{URL}?order=17"}
    tell(database, WebhookEvent.JOB_STARTED, also, job_id="job_1")
    tell(database, WebhookEvent.JOB_STARTED, job_id="job_2")
    (parcel,) = collect(database)
    assert parcel.address.target == "/hook?order=17"
    assert json.loads(parcel.body)["data"] == {"job_id": "job_1"}


@pytest.mark.parametrize(("url", "parcels"), [(URL, 1), (f"{URL}/2", 2)])
def test_an_endpoint_that_hears_everything_is_told_once_at_each_address(database, url, parcels):
    endpoint = listen(database)
    tell(database, WebhookEvent.JOB_STARTED, {"endpoint_id": endpoint.id, "url": url})
    assert len(collect(database)) == parcels


def test_a_replaced_secret_signs_beside_the_new_one_for_a_day_and_is_then_forgotten(database):
    endpoint = listen(database)
    tell(database)
    with database.write() as session:
        webhooks.replace_secret(session, OWNER, endpoint.id)
    (parcel,) = collect(database)
    assert len(parcel.headers["webhook-signature"].split()) == 2
    with database.write() as session:
        session.get_one(WebhookEndpoint, endpoint.id).former_secret_until = now_of(session) - timedelta(seconds=1)
    let_pass(database)
    (parcel,) = collect(database)
    assert len(parcel.headers["webhook-signature"].split()) == 1
    assert forget_expired(database)["former_secrets"] == 1
    with database.read() as session:
        row = session.get_one(WebhookEndpoint, endpoint.id)
        assert (row.former_secret, row.former_secret_until) == (None, None)


def test_a_deleted_endpoint_takes_along_what_was_on_its_way(database):
    endpoint = listen(database)
    tell(database)
    (parcel,) = collect(database)
    with database.write() as session:
        webhooks.delete(session, OWNER, endpoint.id)
    assert everything(database) == []
    assert note(database, parcel, Outcome(204)) is None


def test_deliveries_have_their_time(database):
    listen(database)
    tell(database)
    collect(database)
    assert forget_expired(database)["deliveries"] == 0
    let_pass(database, expires_at=rows.NOW)
    assert forget_expired(database)["deliveries"] == 1
    assert everything(database) == []


def test_an_idle_look_takes_no_lock(sqlite_database):
    listen(sqlite_database)
    with sqlite_database.write():  # whoever wrote now would wait for this to end
        assert collect(sqlite_database) == []


def test_a_parcel_shows_nothing_when_it_is_printed(database):
    listen(database)
    tell(database)
    (parcel,) = collect(database)
    assert "photos.example.org" not in repr(parcel)
    assert "v1," not in repr(parcel)


def test_two_workers_at_once_never_send_the_same(postgres_database):
    listen(postgres_database)
    for _ in range(3):
        tell(postgres_database)
    with postgres_database.write() as first, postgres_database.write() as second:
        now = now_of(first)
        deliveries.hand_over(first, now, 2)
        deliveries.hand_over(second, now, 2)
    with postgres_database.write() as first, postgres_database.write() as second:
        now = now_of(first)
        mine = deliveries.claim(first, now, LEASE, 2, 4)
        theirs = deliveries.claim(second, now, LEASE, 2, 4)
        assert (len(mine), len(theirs)) == (2, 1)
        assert not {one.id for one in mine} & {one.id for one in theirs}

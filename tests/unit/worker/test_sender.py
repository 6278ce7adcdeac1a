"""The sender's thread: it sends, writes down what became of it, and outlives what goes wrong."""

import base64
import hashlib
import hmac
import json
import time

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from core.db import outbox
from core.db.session import now_of
from core.db.tables import WebhookDelivery
from core.domain.webhook import WebhookEvent
from core.services import webhooks
from core.webhooks.outbound import Outbound
from tests.receiver import LOCAL, receiver
from tests.rows import OWNER
from worker import sender
from worker.sender import Sender


@pytest.fixture
def server():
    with receiver() as listening:
        yield listening


def listen(database, server):
    with database.write() as session:
        return webhooks.create(session, OWNER, f"{server.url}/hook", list(WebhookEvent), LOCAL.guard)


def tell(database):
    with database.write() as session:
        outbox.append(session, OWNER, WebhookEvent.SUBJECT_DELETED, now_of(session), {"subject_id": "sub_1"})


def statuses(database):
    with database.read() as session:
        return [(row.status, row.attempts, row.code) for row in session.scalars(select(WebhookDelivery))]


def until(condition):
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_what_arrives_can_be_verified_by_anybody_who_reads_the_standard(sqlite_database, server):
    endpoint = listen(sqlite_database, server)
    tell(sqlite_database)
    assert Sender(sqlite_database, LOCAL).send() == 1
    (got,) = server.got
    content = f"{got.headers['webhook-id']}.{got.headers['webhook-timestamp']}.".encode() + got.body
    key = base64.b64decode(endpoint.secret.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    assert got.headers["webhook-signature"] == f"v1,{expected}"
    assert abs(int(got.headers["webhook-timestamp"]) - time.time()) < 60
    assert json.loads(got.body)["data"] == {"subject_id": "sub_1"}
    assert statuses(sqlite_database) == [("delivered", 1, "")]


def test_a_refusal_is_written_down_and_left_for_later(sqlite_database, server):
    listen(sqlite_database, server)
    tell(sqlite_database)
    server.statuses.append(503)
    sending = Sender(sqlite_database, LOCAL)
    assert (sending.send(), sending.send()) == (1, 0)
    assert statuses(sqlite_database) == [("pending", 1, "refused")]


def test_the_thread_sends_what_comes_and_ends_when_it_is_told_to(sqlite_database, server):
    listen(sqlite_database, server)
    sending = Sender(sqlite_database, LOCAL, look_seconds=0.01)
    sending.start()
    tell(sqlite_database)
    until(lambda: statuses(sqlite_database) == [("delivered", 1, "")])
    sending.stop()


def test_the_thread_outlives_a_database_that_is_away_and_a_fault_of_ours(sqlite_database, server, monkeypatch):
    listen(sqlite_database, server)
    real, wrong = sender.collect, [OperationalError("select", None, Exception()), ValueError()]

    def shaky(database):
        if wrong:
            raise wrong.pop()
        return real(database)

    monkeypatch.setattr(sender, "collect", shaky)
    sending = Sender(sqlite_database, LOCAL, look_seconds=0.01)
    tell(sqlite_database)
    sending.start()
    until(lambda: statuses(sqlite_database) == [("delivered", 1, "")])
    sending.stop()


def test_a_fault_in_one_attempt_holds_up_nobody(sqlite_database, server):
    listen(sqlite_database, server)
    tell(sqlite_database)

    def broken(*_):
        raise RuntimeError

    assert Sender(sqlite_database, Outbound(LOCAL.guard, broken)).send() == 1
    assert statuses(sqlite_database) == [("pending", 1, "internal_error")]


def test_a_sender_that_is_stopped_does_not_wait_for_who_is_slow(sqlite_database, server):
    listen(sqlite_database, server)
    tell(sqlite_database)
    begun = []

    def slow(*_):
        begun.append(True)
        time.sleep(1.0)
        return ["127.0.0.1"]

    sending = Sender(sqlite_database, Outbound(LOCAL.guard, slow), look_seconds=0.01)
    sending.start()
    until(lambda: begun)
    at = time.monotonic()
    sending.stop()
    assert time.monotonic() - at < 0.8
    assert statuses(sqlite_database) == [("pending", 1, "")]  # its lease passes, and another sends it

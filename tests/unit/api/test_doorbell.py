import threading
import time

import celery
import pytest

from api.doorbell import CeleryDoorbell
from core.broker import QUEUE, TASK_NAME
from core.services.doorbell import SilentDoorbell


@pytest.fixture
def sent(monkeypatch):
    """What would be sent to a broker."""
    calls, arrived = [], threading.Event()

    def send_task(self, name, **options):
        calls.append((name, options))
        arrived.set()

    monkeypatch.setattr(celery.Celery, "send_task", send_task)
    return calls, arrived


def test_a_ring_is_the_workers_task_on_their_queue(sent):
    calls, arrived = sent
    CeleryDoorbell("redis://127.0.0.1:1/0").ring()
    assert arrived.wait(10)
    name, options = calls[0]
    assert (name, options["queue"]) == (TASK_NAME, QUEUE)
    assert options["retry"] is False
    assert options["expires"] > 0


def test_a_broker_that_fails_costs_nobody_anything(monkeypatch):
    failed, again = threading.Event(), threading.Event()

    def send_task(self, name, **options):
        if not failed.is_set():
            failed.set()
            raise OSError("no such host")
        again.set()

    monkeypatch.setattr(celery.Celery, "send_task", send_task)
    bell = CeleryDoorbell("redis://127.0.0.1:1/0")
    bell.ring()
    assert failed.wait(10)
    bell.ring()
    assert again.wait(10)


def test_nobody_waits_for_a_slow_broker(monkeypatch):
    release = threading.Event()
    monkeypatch.setattr(celery.Celery, "send_task", lambda *_, **__: release.wait(10))
    bell = CeleryDoorbell("redis://127.0.0.1:1/0")
    began = time.monotonic()
    for _ in range(1000):
        bell.ring()
    release.set()
    assert time.monotonic() - began < 10  # ring() would have waited for each


def test_without_a_broker_ringing_does_nothing():
    SilentDoorbell().ring()

import threading

import pytest

from core.db.tables import Job
from core.domain.errors import CancelledError
from tests.benches import crops
from worker.artifacts import JobArtifacts
from worker.endings import Endings
from worker.groups import Group, GroupCancel
from worker.patience import Patience
from worker.recent import Recent


@pytest.fixture
def held(bench, worker):
    bench.add_restoration(crops(1)[0])
    (held,) = worker.loop.take()
    return held


@pytest.fixture
def cancel(bench, worker, held):
    patience = Patience(bench.database, 60.0, worker.drain, worker.watchdog)
    endings = Endings(patience, dict)
    group = Group([held], lambda one: JobArtifacts(one, bench.store, patience, Recent()), endings)
    return GroupCancel(group, worker.heartbeat, worker.drain, worker.watchdog, lambda: None)


def holding(cancel):
    """A check in another thread; what became of it stands in the list."""
    outcome = []

    def check():
        try:
            cancel.check()
            outcome.append("goes on")
        except CancelledError as error:
            outcome.append(error.message)

    thread = threading.Thread(target=check)
    thread.start()
    thread.join(0.3)
    assert outcome == []
    return thread, outcome


def test_a_job_that_is_ours_goes_on(cancel):
    cancel.check()


def test_without_a_heartbeat_it_holds_until_one_gets_through(cancel, held, worker):
    held.confirmed_at -= 46
    thread, outcome = holding(cancel)
    with worker.heartbeat.holding([held]):
        worker.heartbeat.beat()
    thread.join()
    assert outcome == ["goes on"]


def test_what_holds_is_dropped_where_the_answer_is_that_another_has_it(bench, cancel, held, worker):
    held.confirmed_at -= 46
    thread, outcome = holding(cancel)
    bench.change(Job, held.id, attempt=2)
    with worker.heartbeat.holding([held]):
        worker.heartbeat.beat()
    thread.join()
    assert outcome == ["Every job of this run has ended."]
    assert bench.job(held.job).status == "running"


def test_what_holds_can_be_drained(cancel, held, worker):
    held.confirmed_at -= 46
    thread, outcome = holding(cancel)
    worker.stop()
    thread.join()
    assert outcome == ["The worker was asked to stop."]


def test_holding_is_no_stall(cancel, held, worker):
    held.confirmed_at -= 46
    steps = []
    worker.watchdog.step = lambda: steps.append(1)
    thread, _ = holding(cancel)
    worker.stop()
    thread.join()
    assert len(steps) > 1

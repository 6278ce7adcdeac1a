import pytest
from sqlalchemy.exc import OperationalError

from core.db.tables import CandidateRow
from core.domain.errors import BlobMissingError, DrainedError, LeaseLostError, StorageError
from tests.benches import crops
from tests.writes import refuse_writes
from worker import patience as patience_module
from worker.drain import Drain
from worker.patience import Patience


@pytest.fixture
def held(bench, worker):
    bench.add_restoration(crops(1)[0])
    (held,) = worker.loop.take()
    return held


@pytest.fixture
def pauses(monkeypatch):
    """The pauses that were made; none takes time."""
    made = []
    monkeypatch.setattr(patience_module.time, "sleep", made.append)
    return made


class Failing:
    """An operation that fails some times, then gives its number of calls."""

    def __init__(self, *errors):
        self.errors = list(errors)
        self.calls = 0

    def __call__(self):
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return self.calls


def away():
    return OperationalError("UPDATE", {}, Exception("connection refused"))


def test_what_is_away_is_waited_for_longer_each_time(bench, worker, held, pauses):
    patience = Patience(bench.database, 60.0, worker.drain, worker.watchdog)
    assert patience.repeat(held, Failing(away(), StorageError("Away."), away(), away(), away())) == 6
    assert pauses == [0.2, 0.4, 0.8, 1.6, 2.0]


def test_waiting_is_no_stall(bench, worker, held, pauses):
    steps = []
    worker.watchdog.step = lambda: steps.append(1)
    Patience(bench.database, 60.0, worker.drain, worker.watchdog).repeat(held, Failing(away(), away()))
    assert len(steps) == 2


def test_what_will_never_be_there_is_not_waited_for(bench, worker, held, pauses):
    patience = Patience(bench.database, 60.0, worker.drain, worker.watchdog)
    with pytest.raises(BlobMissingError):
        patience.repeat(held, Failing(BlobMissingError("Gone.")))
    assert pauses == []


def test_a_write_that_fails_for_a_lease_while_heartbeats_get_through_is_given_up(bench, worker, held, pauses):
    now = [100.0]
    held.clock = lambda: now[0]

    def failing():
        now[0] += 10
        held.confirmed_at = now[0]
        raise away()

    with pytest.raises(OperationalError):
        Patience(bench.database, 60.0, worker.drain, worker.watchdog).repeat(held, failing)
    assert now[0] == 180


def test_a_database_that_comes_back_for_a_moment_only_is_waited_for_on(bench, worker, held, pauses):
    now = [100.0]
    held.clock = lambda: now[0]
    held.confirmed_at = 100.0
    calls = []

    def failing():
        calls.append(1)
        now[0] += 20
        if len(calls) in (20, 40):  # one heartbeat gets through, and it is away again
            held.confirmed_at = now[0]
        if len(calls) < 60:
            raise away()
        return "written"

    assert Patience(bench.database, 60.0, worker.drain, worker.watchdog).repeat(held, failing) == "written"


def test_a_lost_job_waits_for_nothing(bench, worker, held, pauses):
    held.lost = True
    operation = Failing()
    with pytest.raises(LeaseLostError):
        Patience(bench.database, 60.0, worker.drain, worker.watchdog).repeat(held, operation)
    assert operation.calls == 0


def test_a_worker_that_must_go_gives_up_when_its_time_is_over(bench, worker, held, pauses):
    now = [0.0]
    drain = Drain(5.0, clock=lambda: now[0])
    drain.request()

    def failing():
        now[0] += 2
        raise away()

    with pytest.raises(DrainedError):
        Patience(bench.database, 60.0, drain, worker.watchdog).repeat(held, failing)
    assert now[0] == 6


def test_a_job_goes_on_where_the_database_was_away_for_a_while(bench, worker, pauses, monkeypatch):
    job = bench.add_restoration(crops(1)[0])
    members = worker.loop.take()
    whole, failures = bench.database.write, [away() for _ in range(5)]

    def sometimes():
        if failures:
            raise failures.pop()
        return whole()

    monkeypatch.setattr(bench.database, "write", sometimes)
    worker.loop._run(members)
    assert failures == []
    assert (bench.job(job).status, bench.job(job).attempt) == ("succeeded", 1)
    assert bench.row(CandidateRow, (job.restoration_id, 0, 0)) is not None


def test_a_worker_holds_what_it_has_while_no_writes_are_taken_and_takes_nothing(bench, worker, held, monkeypatch):
    bench.add_restoration(crops(1)[0])
    refusing = refuse_writes(bench.database)
    refusing.__enter__()
    assert worker.loop._take_patiently() == []
    made = []

    def sleep(_seconds):
        made.append(1)
        if len(made) == 3:
            refusing.__exit__(None, None, None)

    monkeypatch.setattr(patience_module.time, "sleep", sleep)
    worker.runner.run([held])
    assert (bench.job(held.job).status, bench.job(held.job).faults) == ("succeeded", 0)
    assert len(made) >= 3

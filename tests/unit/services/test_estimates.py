from datetime import timedelta

import pytest

from core.db import jobs
from core.db.session import now_of
from core.db.tables import Job, JobEventRow
from core.domain.job import JobEvent
from core.services.estimates import Forecast, Forecaster, retry_after_seconds
from tests import pretend_worker, rows

LIFE = timedelta(seconds=60)


def measured(database, seconds, **columns):
    job_id = rows.put(database, **columns)
    pretend_worker.claim(database, job_id)
    pretend_worker.end(database, job_id, JobEvent.SUCCEEDED, run_seconds=seconds)


def foretold(database, job_id, forecaster=None):
    forecaster = forecaster or Forecaster(LIFE, kept_seconds=0.0)
    with database.read() as session:
        return forecaster.of(session, rows.look(database, job_id))


def test_a_job_takes_what_such_jobs_took_and_waits_for_those_before_it(database):
    pretend_worker.register(database)
    for seconds in (2.0, 30.0, 4.0):
        measured(database, seconds)
    measured(database, 100.0, kind="album")
    first, album, last = (rows.put(database, **columns) for columns in ({}, {"kind": "album"}, {}))
    assert foretold(database, first) == Forecast(1, 4.0)
    assert foretold(database, album) == Forecast(2, 104.0)
    assert foretold(database, last) == Forecast(3, 108.0)
    pretend_worker.register(database, "second")
    assert foretold(database, last) == Forecast(3, 56.0)


def test_a_transaction_that_writes_foretells_what_others_will_read(database):
    pretend_worker.register(database, priors=(rows.DIGEST,))
    for kind, seconds in (("restoration", 4.0), ("album", 100.0)):
        measured(database, seconds, kind=kind)
    kinds = [{}, {"kind": "album"}, {"priority": 1}, {"prior_sha256": "c" * 64}, {}, {"kind": "album"}, {}]
    jobs = [rows.put(database, **columns) for columns in kinds]
    pretend_worker.claim(database, jobs[0])
    for job_id in jobs:
        forecaster = Forecaster(LIFE, kept_seconds=0.0)
        with database.write() as session:
            told = forecaster.of(session, rows.look(database, job_id))
        read = foretold(database, job_id)
        assert (told.queue_position, told.lacks_prior) == (read.queue_position, read.lacks_prior)
        assert told.eta_seconds == pytest.approx(read.eta_seconds, abs=1.0)


def test_who_comes_first_by_priority_is_before(database):
    pretend_worker.register(database)
    measured(database, 5.0)
    low = rows.put(database)
    high = rows.put(database, priority=1)
    assert foretold(database, high) == Forecast(1, 5.0)
    assert foretold(database, low) == Forecast(2, 10.0)


@pytest.mark.parametrize("other", [{"recipe_digest": "b" * 64}, {"prior_sha256": "c" * 64}, {"kind": "checkpoint"}])
def test_where_one_job_ahead_was_never_measured_nothing_is_promised(database, other):
    pretend_worker.register(database, priors=(rows.DIGEST, "c" * 64))
    measured(database, 5.0)
    before = rows.put(database)
    rows.put(database, **other)
    after = rows.put(database)
    assert foretold(database, before) == Forecast(1, 5.0)
    assert foretold(database, after) == Forecast(3, None)


def test_an_ended_job_has_no_outlook(database):
    job_id = rows.put(database)
    pretend_worker.claim(database, job_id)
    pretend_worker.end(database, job_id, JobEvent.FAILED)
    assert foretold(database, job_id) == Forecast()


def test_the_queue_is_looked_at_once_for_all_who_ask_in_the_same_moment(sqlite_database):
    pretend_worker.register(sqlite_database)
    measured(sqlite_database, 5.0)
    first = rows.put(sqlite_database)
    forecaster = Forecaster(LIFE, kept_seconds=3600.0)
    assert foretold(sqlite_database, first, forecaster) == Forecast(1, 5.0)
    second = rows.put(sqlite_database)
    assert foretold(sqlite_database, second, forecaster) == Forecast(2, 10.0)  # that it came later is seen all the same
    pretend_worker.claim(sqlite_database, first)
    assert foretold(sqlite_database, second, forecaster).queue_position == 2
    forecaster.kept_seconds = 0.0
    assert foretold(sqlite_database, second, forecaster).queue_position == 1


def test_a_job_of_more_forwards_takes_so_much_longer_unless_such_ones_were_measured(database):
    pretend_worker.register(database)
    measured(database, 2.0, cost_forwards=20)
    measured(database, 3.0, cost_forwards=30)
    eight = rows.put(database, cost_forwards=160)
    assert foretold(database, eight) == Forecast(1, 16.0)
    after = rows.put(database, cost_forwards=20)
    assert foretold(database, after) == Forecast(2, 18.0)
    measured(database, 9.0, cost_forwards=160)  # what a job takes beside its forwards does not grow with them
    assert foretold(database, eight) == Forecast(1, 9.0)
    nothing = rows.put(database, cost_forwards=0)
    assert foretold(database, nothing) == Forecast(3, None)


def claimed_ago(database, seconds, *job_ids, **columns):
    """Claim jobs as if long ago: in thousands of seconds the test's own time does not count."""
    for job_id in job_ids:
        pretend_worker.claim(database, job_id, **columns)
        with database.write() as session:
            claims = session.query(JobEventRow).filter_by(job_id=job_id, type="claimed")
            claims.order_by(JobEventRow.id.desc()).first().at = now_of(session) - timedelta(seconds=seconds)


def test_a_running_job_counts_from_its_own_attempt(database):
    pretend_worker.register(database)
    measured(database, 10_000.0)
    running = rows.put(database)
    claimed_ago(database, 50_000, running)
    assert foretold(database, running).eta_seconds == 0
    pretend_worker.end(database, running, JobEvent.DRAINED)
    claimed_ago(database, 3_000, running)
    assert 6_000 < foretold(database, running).eta_seconds <= 7_000


def test_a_batch_ends_when_all_of_it_has_had_its_time(database):
    pretend_worker.register(database)
    measured(database, 10_000.0)
    batch = [rows.put(database) for _ in range(4)]
    last = rows.put(database)
    claimed_ago(database, 15_000, *batch)
    for job_id in batch:
        assert 20_000 < foretold(database, job_id).eta_seconds <= 25_000
    assert 30_000 < foretold(database, last).eta_seconds <= 35_000
    other = rows.put(database)
    claimed_ago(database, 4_000, other, worker_id="wkr_other")
    assert 5_000 < foretold(database, other).eta_seconds <= 6_000


def test_what_no_live_worker_has_the_prior_for_is_said_to_lack_it_and_is_in_nobody_s_way(database):
    lost = rows.put(database, prior_sha256="c" * 64)
    assert foretold(database, lost) == Forecast(1, None)  # nobody is there: the right one may be about to start
    pretend_worker.register(database)
    measured(database, 5.0)
    behind = rows.put(database)
    assert foretold(database, lost) == Forecast(1, None, lacks_prior=True)
    assert foretold(database, behind) == Forecast(2, 5.0)
    pretend_worker.register(database, "second", priors=["c" * 64])
    assert foretold(database, lost) == Forecast(1, None)


def test_a_job_that_the_last_look_did_not_see_is_looked_for(database):
    forecaster = Forecaster(LIFE, kept_seconds=3600.0)
    assert foretold(database, rows.put(database), forecaster).queue_position == 1
    places = []
    for _ in range(4):
        with database.write() as session:
            job = jobs.insert(session, rows.job())
            places.append(forecaster.of(session, job).queue_position)
    assert places == [2, 3, 4, 5]
    assert foretold(database, job.id, forecaster).queue_position == 5


def test_a_look_at_what_comes_to_nothing_is_nobody_else_s(database):
    forecaster = Forecaster(LIFE, kept_seconds=3600.0)
    first = rows.put(database)
    with pytest.raises(ZeroDivisionError), database.write() as session:  # noqa: PT012  # the rollback is the point
        high = jobs.insert(session, rows.job(priority=1))
        assert forecaster.of(session, high).queue_position == 1
        assert forecaster.of(session, session.get_one(Job, first)).queue_position == 2
        raise ZeroDivisionError
    assert foretold(database, first, forecaster).queue_position == 1


@pytest.mark.parametrize(("eta", "seconds"), [(None, 5), (0.0, 1), (17.4, 17), (9999.0, 60)])
def test_nobody_is_told_to_come_back_at_once_or_in_an_hour(eta, seconds):
    assert retry_after_seconds(Forecast(1, eta)) == seconds


def test_room_is_expected_when_a_job_usually_ends(sqlite_database):
    forecaster = Forecaster(LIFE, kept_seconds=0.0)
    with sqlite_database.read() as session:
        assert forecaster.seconds_until_room(session) == 60  # nothing is known
    for seconds in (10.0, 20.0, 30.0):
        measured(sqlite_database, seconds)
    for name in ("one", "two"):
        pretend_worker.register(sqlite_database, name)
    with sqlite_database.read() as session:
        assert forecaster.seconds_until_room(session) == 10

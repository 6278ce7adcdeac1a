from datetime import UTC, datetime, timedelta

import pytest

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


def test_who_comes_first_by_priority_is_before(database):
    pretend_worker.register(database)
    measured(database, 5.0)
    low = rows.put(database)
    high = rows.put(database, priority=1)
    assert foretold(database, high) == Forecast(1, 5.0)
    assert foretold(database, low) == Forecast(2, 10.0)


@pytest.mark.parametrize("other", [{"recipe_digest": "b" * 64}, {"prior_sha256": "c" * 64}, {"kind": "checkpoint"}])
def test_where_one_job_ahead_was_never_measured_nothing_is_promised(database, other):
    pretend_worker.register(database)
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


def test_a_running_job_counts_from_its_first_attempt(sqlite_database):
    pretend_worker.register(sqlite_database)
    measured(sqlite_database, 100.0)
    running = rows.put(sqlite_database)
    pretend_worker.claim(sqlite_database, running)
    with sqlite_database.write() as session:
        session.get_one(type(rows.look(sqlite_database, running)), running).started_at = datetime.now(UTC) - timedelta(
            seconds=30
        )
    left = foretold(sqlite_database, running).eta_seconds
    assert 60 < left <= 70


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

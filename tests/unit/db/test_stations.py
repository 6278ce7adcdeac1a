"""Who is to blame where workers die, on both databases."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from core.db import queue, reaper, stations
from core.db.session import now_of
from core.db.tables import Job, Worker
from core.domain.blame import DEATHS_TO_BLAME, MAX_LOSSES
from core.domain.job import MAX_CRASHES, JobEvent
from tests import pretend_worker, rows
from tests.rows import look, put, take, told

HERE = "gpu-host"


def worker_at(database, station=HERE):
    """A process that has just begun."""
    worker_id = pretend_worker.register(database)
    with database.write() as session:
        row = session.get_one(Worker, worker_id)
        row.station = station
        row.set_aside_until = stations.set_aside_until(session, station)
    return worker_id


def die_with_the_next(database, station=HERE, most=0):
    """A process begins, takes what is next, dies, and is found dead; what it had."""
    claim = queue.Claim(worker_at(database, station), timedelta(seconds=-1))
    with database.write() as session:
        leader = queue.claim(session, claim)
        taken = [leader, *queue.claim_companions(session, leader, claim, most)]
    with database.write() as session:
        found = reaper.reap(session)
    return [job.id for job in taken], found


def at_once(database):
    with database.write() as session:
        for job in session.scalars(select(Job)):
            job.run_after = None


def aside(database, station=HERE):
    with database.read() as session:
        until = stations.set_aside_until(session, station)
        return None if until is None else until - now_of(session)


@pytest.fixture
def jobs(database):
    return [put(database, id=f"job_{number}") for number in range(6)]


def test_a_station_whose_workers_die_with_one_job_after_another_is_blamed_and_the_jobs_are_not(database, jobs):
    for number in range(DEATHS_TO_BLAME):
        assert aside(database) is None
        had, found = die_with_the_next(database)
        assert had == [jobs[number]]
    assert found == reaper.Reaped(requeued=[jobs[2]], set_aside=[HERE])
    marks = [(look(database, job_id).crashes, look(database, job_id).run_after) for job_id in jobs[:3]]
    assert marks == [(0, None)] * 3
    assert told(database, jobs[2])[-1] == "worker_blamed"
    assert timedelta(seconds=150) < aside(database) <= timedelta(seconds=160)
    assert [take(database).id for _ in range(3)] == jobs[:3]  # another station's worker has them at once


def test_the_next_process_of_a_station_that_is_set_aside_knows_it_and_others_are_not(database, jobs):
    living = worker_at(database)
    for _ in range(DEATHS_TO_BLAME):
        die_with_the_next(database)
    with database.read() as session:
        now = now_of(session)
        for worker_id, expected in (
            (living, True),
            (worker_at(database), True),
            (worker_at(database, "another"), False),
            (worker_at(database, ""), False),
            ("wkr_nobody", False),
        ):
            assert stations.is_set_aside(session, worker_id, now) is expected
        assert not stations.is_set_aside(session, living, now + timedelta(hours=1))


def test_each_further_death_sets_it_aside_for_longer(database, jobs):
    for _ in range(DEATHS_TO_BLAME):
        die_with_the_next(database)
    at_once(database)
    with database.write() as session:
        for job_id in jobs[:3]:
            session.get_one(Job, job_id).priority = -1
    _, found = die_with_the_next(database)
    assert found.set_aside == [HERE]
    assert aside(database) > timedelta(seconds=600)


def test_a_job_that_kills_every_worker_is_quarantined_and_no_station_is_blamed(database):
    job_id = put(database)
    for _ in range(MAX_CRASHES):
        at_once(database)
        _, found = die_with_the_next(database)
    assert found == reaper.Reaped(quarantined=[job_id])
    assert aside(database) is None


def test_a_success_between_the_deaths_clears_the_station(database, jobs):
    for _ in range(DEATHS_TO_BLAME - 1):
        die_with_the_next(database)
    well = worker_at(database)
    with database.write() as session:
        job = queue.claim(session, queue.Claim(well, rows.LEASE))
        queue.move(session, job, JobEvent.SUCCEEDED, now_of(session))
        stations.succeeded(session, well, now_of(session))
    _, found = die_with_the_next(database)
    assert found.set_aside == []
    assert look(database, found.requeued[0]).crashes == 1


def test_deaths_at_different_stations_blame_none(database, jobs):
    found = [die_with_the_next(database, station)[1] for station in ("one", "two", "three")]
    assert [each.set_aside for each in found] == [[], [], []]


def test_deaths_of_long_ago_and_workers_of_no_station_count_for_nothing(database, jobs):
    for _ in range(DEATHS_TO_BLAME - 1):
        die_with_the_next(database)
    with database.write() as session:
        for worker in session.scalars(select(Worker)):
            worker.died_at -= timedelta(hours=2)
    assert die_with_the_next(database)[1].set_aside == []
    for _ in range(DEATHS_TO_BLAME):
        at_once(database)
        assert die_with_the_next(database, "")[1].set_aside == []


def test_several_deaths_that_are_found_at_once_are_judged_as_they_happened(database, jobs):
    for _ in range(4):
        assert take(database, queue.Claim(worker_at(database), timedelta(seconds=-1)))
    with database.write() as session:
        found = reaper.reap(session)
    assert found.set_aside == [HERE]
    assert [look(database, job_id).crashes for job_id in jobs[:4]] == [0] * 4


def test_a_batch_that_dies_together_is_one_death(database):
    for number in range(6):
        put(database, id=f"job_{number}", batch_key="k")
    had, found = die_with_the_next(database, most=3)
    assert len(had) == 4
    assert (found.requeued, found.set_aside) == (had, [])


def test_jobs_that_all_kill_blame_stations_only_so_often(database):
    """Else whoever sends three such jobs would have workers set aside for ever, and nobody told why."""
    ids = [put(database, id=f"job_{number}") for number in range(3)]
    deaths = 0
    while any(look(database, job_id).status == "queued" for job_id in ids):
        at_once(database)
        die_with_the_next(database)
        deaths += 1
        assert deaths <= 3 * MAX_LOSSES
    assert [look(database, job_id).status for job_id in ids] == ["quarantined"] * 3

"""The queue's second look, on both databases."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from core.db import queue, reaper
from core.db.session import now_of
from core.db.tables import Checkpoint, Job
from core.domain.job import MAX_CRASHES, JobEvent
from tests import rows
from tests.rows import DEAD, ME, look, put, take, told


def reap(database, **arguments):
    with database.write() as session:
        return reaper.reap(session, **arguments)


def at_once(database, job_id):
    with database.write() as session:
        session.get_one(Job, job_id).run_after = None


def test_what_a_living_worker_has_is_left_alone(database):
    put(database)
    take(database, ME)
    assert reap(database) == reaper.Reaped()


def test_a_dead_worker_s_job_goes_back_later_and_counts_a_crash(database):
    put(database)
    job = take(database, DEAD)
    assert reap(database).requeued == [job.id]
    back = look(database, job.id)
    assert (back.status, back.crashes, back.worker_id) == ("queued", 1, None)
    with database.read() as session:
        assert back.run_after > now_of(session) + timedelta(seconds=5)
    assert take(database, ME) is None
    assert told(database, job.id) == ["created", "claimed", "lease_lost"]


def test_the_third_crash_is_the_last_and_takes_the_checkpoint_with_it(database):
    job_id = put(database, kind="album")
    waiting = put(database, id="job_z", waits_for_job_id=job_id)
    with database.write() as session:
        checkpoint_id = rows.checkpoint(session, job_id=job_id).id
    for _ in range(MAX_CRASHES):
        assert take(database, DEAD).id == job_id
        found = reap(database)
        at_once(database, job_id)
    assert found == reaper.Reaped(quarantined=[job_id])
    assert look(database, job_id).error["code"] == "worker_lost"
    assert look(database, waiting).error["code"] == "checkpoint_not_ready"
    with database.read() as session:
        assert session.get_one(Checkpoint, checkpoint_id).status == "failed"


def test_a_photo_that_kills_its_workers_takes_none_of_its_batch_with_it(database):
    ids = [put(database, id=f"job_{number}", batch_key="k") for number in range(4)]
    for _ in range(2 * len(ids) + MAX_CRASHES):
        with database.write() as session:
            if (leader := queue.claim(session, ME)) is None:
                break
            taken = [leader, *queue.claim_companions(session, leader, ME, most=3)]
            for job in taken:
                if "job_2" in [each.id for each in taken]:
                    job.lease_until = now_of(session) - timedelta(seconds=1)
                else:
                    queue.move(session, job, JobEvent.SUCCEEDED, now_of(session))
        reap(database)
        for job_id in ids:
            at_once(database, job_id)
    expected = ["succeeded", "succeeded", "quarantined", "succeeded"]
    assert [look(database, job_id).status for job_id in ids] == expected


def test_a_job_that_was_to_be_cancelled_when_its_worker_died_is_cancelled(database):
    put(database)
    job = take(database, DEAD)
    with database.write() as session:
        queue.request_cancel(session, rows.OWNER, job.id)
    assert reap(database) == reaper.Reaped(cancelled=[job.id])
    ended = look(database, job.id)
    assert (ended.status, ended.crashes) == ("cancelled", 0)
    assert told(database, job.id)[-1] == "cancelled"


def test_a_queued_job_with_a_cancel_that_nobody_saw_is_cancelled(database):
    job_id = put(database, cancel_requested=True)
    assert reap(database).cancelled == [job_id]
    assert look(database, job_id).status == "cancelled"


def test_what_came_too_late_is_expired_and_what_waits_for_it_fails_once(database):
    with database.read() as session:
        past = now_of(session) - timedelta(seconds=1)
    first = put(database, id="job_0", start_by=past)
    second = put(database, id="job_1", start_by=past, waits_for_job_id=first)
    assert reap(database).expired == [first]
    assert look(database, first).error["code"] == "deadline_exceeded"
    assert look(database, second).status == "failed"


def test_a_job_that_was_begun_does_not_expire(database):
    with database.read() as session:
        now = now_of(session)
    put(database, start_by=now + timedelta(hours=1))
    job = take(database, DEAD)
    reap(database)
    with database.write() as session:
        session.get_one(Job, job.id).start_by = now - timedelta(hours=1)
    assert reap(database) == reaper.Reaped()


@pytest.mark.parametrize("waited", ["job_none", "job_ended"])
def test_a_job_that_waits_for_what_will_not_come_fails(database, waited):
    put(database, id="job_ended", status="cancelled", finished_at=rows.NOW)
    job_id = put(database, waits_for_job_id=waited)
    after = put(database, waits_for_job_id=job_id)
    found = reap(database)
    assert job_id in found.orphaned
    assert {look(database, each).status for each in (job_id, after)} == {"failed"}


def test_one_pass_takes_only_so_many(database):
    for number in range(3):
        put(database, id=f"job_{number}")
        take(database, DEAD)
    assert [len(reap(database, most=2).requeued) for _ in range(3)] == [2, 1, 0]


def test_of_two_reapers_at_once_one_works(postgres_database):
    database = postgres_database
    put(database)
    job = take(database, DEAD)
    with database.write() as first:
        assert reaper.reap(first).requeued == [job.id]
        with database.write() as second:
            assert reaper.reap(second) == reaper.Reaped()


def test_nobody_is_judged_while_the_server_itself_has_only_just_started(postgres_database):
    database = postgres_database
    put(database)
    job = take(database, DEAD)
    with database.read() as session:
        up = now_of(session) - session.scalar(text("SELECT pg_postmaster_start_time()"))
    assert reap(database, grace=up + timedelta(hours=1)) == reaper.Reaped()
    assert reap(database, grace=timedelta(0)).requeued == [job.id]

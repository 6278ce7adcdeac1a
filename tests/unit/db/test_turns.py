"""Callers take turns, on both databases: a long queue of one keeps nobody else waiting for long."""

import pytest
from sqlalchemy import insert, text

from core.db import outlook, owners, queue, turns
from core.db.session import now_of
from core.db.tables import Job
from core.domain.job import JobEvent
from tests import rows
from tests.rows import ME, put, take

THOUSAND = 1_000
WORKERS = 3


@pytest.fixture
def people(database):
    """Two more owners; whoever is first by id would be so again and again if nobody kept count."""
    with database.write() as session:
        return [owners.insert(session, name, now_of(session), f"own_{name}").id for name in ("ada", "eve")]


def put_many(database, owner_id, count):
    filled = [
        {column.key: getattr(row, column.key) for column in Job.__mapper__.column_attrs}
        for row in (rows.job(id=f"job_{number:04}", owner_id=owner_id) for number in range(count))
    ]
    with database.write() as session:
        session.execute(insert(Job), filled)


def end(database, job):
    with database.write() as session:
        queue.move(session, queue.fenced(session, job.id, job.attempt), JobEvent.SUCCEEDED, now_of(session))


def test_a_thousand_jobs_of_one_delay_another_s_one_by_what_runs_at_that_moment_alone(database, people):
    ada, eve = people
    put_many(database, ada, THOUSAND)
    running = [take(database) for _ in range(WORKERS)]
    hers = put(database, id="job_zzzz", owner_id=eve)
    end(database, running[0])  # the first worker that is free
    assert take(database).id == hers
    end(database, running[1])
    assert take(database).owner_id == ada


def test_who_comes_late_again_and_again_waits_for_one_job_a_worker_each_time(database, people):
    ada, eve = people
    put_many(database, ada, 10)
    taken = []
    for number in range(4):
        put(database, id=f"job_late_{number}", owner_id=eve)
        taken += [take(database).owner_id, take(database).owner_id]
    assert taken == [ada, eve] * 4


def test_two_long_queues_are_served_by_turns(database, people):
    for number in range(6):
        put(database, id=f"job_{number}", owner_id=people[0 if number < 3 else 1])
    taken = [take(database) for _ in range(6)]
    assert [job.id for job in taken] == ["job_0", "job_3", "job_1", "job_4", "job_2", "job_5"]


def test_a_priority_passes_over_one_s_own_jobs_and_over_nobody_else_s(database, people):
    ada, eve = people
    first = put(database, id="job_0", owner_id=ada)
    urgent = put(database, id="job_1", owner_id=ada, priority=9)
    other = put(database, id="job_2", owner_id=eve)
    assert [take(database).id for _ in range(3)] == [urgent, other, first]


def test_whose_jobs_must_all_wait_is_passed_over_and_stays_in_turn(database, people):
    ada, eve = people
    put(database, id="job_0", owner_id=ada, waits_for_job_id="job_none")
    put(database, id="job_1", owner_id=eve)
    put(database, id="job_2", owner_id=eve)
    assert take(database).id == "job_1"
    ready = put(database, id="job_3", owner_id=ada)
    assert take(database).id == ready


def test_a_batch_is_one_turn(database, people):
    ada, eve = people
    for number in range(4):
        put(database, id=f"job_{number}", owner_id=ada, batch_key="k")
    other = put(database, id="job_4", owner_id=eve)
    with database.write() as session:
        leader = queue.claim(session, ME)
        assert len(queue.claim_companions(session, leader, ME, most=2)) == 2
    assert [take(database).id for _ in range(2)] == [other, "job_3"]


def test_places_are_told_in_the_order_in_which_jobs_are_taken(database, people):
    for number in range(9):
        put(database, id=f"job_{number}", owner_id=people[0 if number < 6 else 1], priority=number % 2)
    take(database)
    put(database, id="job_9")  # the local owner was never served
    with database.write() as session:
        told = [one.job_id for one in outlook.waiting(session)]
        ahead = [sum(count for _, count in outlook.ahead_of(session, session.get_one(Job, job_id))) for job_id in told]
    assert ahead == list(range(9))
    assert [take(database).id for _ in told] == told


def test_two_who_take_from_one_owner_at_once_do_not_wait_for_each_other(postgres_database):
    database = postgres_database  # on SQLite a writing transaction is alone
    for number in range(2):
        put(database, id=f"job_{number}")
    with database.write() as one, database.write() as other:
        other.execute(text("SET LOCAL lock_timeout = '100ms'"))
        assert [queue.claim(one, ME).id, queue.claim(other, ME).id] == ["job_0", "job_1"]


def test_whose_turn_it_is_costs_one_look_into_the_queue_s_index_an_owner(database):
    with database.write() as session:
        statement = turns._owners(queue._claimable(session, ME))  # the plan is what is tested
        sql = str(statement.compile(database.engine, compile_kwargs={"literal_binds": True}))
        if not database.is_sqlite:
            session.execute(text("SET LOCAL enable_seqscan = off"))
        plan = session.execute(text(f"EXPLAIN {'QUERY PLAN ' if database.is_sqlite else ''}{sql}")).all()
    assert "ix_jobs_turn" in str(plan)

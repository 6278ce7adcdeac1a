"""The queue on both databases: who gets which job, what the fence keeps out, how jobs end."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import text

from core.db import jobs, outlook, queue
from core.db.session import now_of
from core.db.tables import Checkpoint, Job, StageOutput
from core.domain.errors import InvalidTransitionError, LeaseLostError
from core.domain.job import ENDED_JOB_LIFE, JobEvent, JobStage
from tests import rows
from tests.rows import LEASE, ME, look, put, take, told


def end(database, job, event, **columns):
    with database.write() as session:
        held = queue.fenced(session, job.id, job.attempt)
        queue.move(session, held, event, now_of(session), **columns)
        return held


def test_an_empty_queue_gives_nothing(database):
    assert take(database) is None


@pytest.mark.parametrize("event", [JobEvent.FAILED, JobEvent.CANCELLED])
def test_a_job_that_ended_without_a_result_is_kept_for_a_while_and_no_longer(database, event):
    put(database)
    ended = end(database, take(database), event)
    assert ended.expires_at == ended.finished_at + ENDED_JOB_LIFE


def test_the_most_urgent_comes_first_then_the_oldest(database):
    ids = [put(database, id=f"job_{n}", priority=priority) for n, priority in enumerate((0, 5, 0, 5))]
    assert [take(database).id for _ in ids] == [ids[1], ids[3], ids[0], ids[2]]


def test_a_claimed_job_is_its_worker_s_for_a_lease(database):
    put(database, error={"code": "of the attempt before"})
    job = take(database)
    assert (job.status, job.attempt, job.worker_id, job.stage) == ("running", 1, "wkr_me", JobStage.INTAKE)
    with database.read() as session:
        assert timedelta(seconds=50) < job.lease_until - now_of(session) <= LEASE
    assert job.error is None
    assert told(database, job.id) == ["created", "claimed"]


@pytest.mark.parametrize(
    "columns",
    [
        {"run_after": timedelta(hours=1)},
        {"start_by": timedelta(hours=-1)},
        {"cancel_requested": True},
        {"prior_sha256": "b" * 64},
        {"kind": "album"},
    ],
)
def test_what_may_not_run_here_or_now_is_left(database, columns):
    with database.read() as session:
        now = now_of(session)
    put(database, **{name: now + value if isinstance(value, timedelta) else value for name, value in columns.items()})
    assert take(database, queue.Claim("wkr_me", LEASE, priors=[rows.DIGEST], kinds=["restoration"])) is None


def test_a_job_that_was_begun_in_time_goes_on_after_its_start_by(database):
    with database.read() as session:
        now = now_of(session)
    put(database, start_by=now + timedelta(hours=1))
    job = end(database, take(database), JobEvent.DRAINED)
    with database.write() as session:
        session.get_one(Job, job.id).start_by = now - timedelta(hours=1)
    assert take(database).attempt == 2


def test_a_restoration_waits_for_the_job_that_makes_its_checkpoint(database):
    first = put(database, id="job_0", kind="album", priority=-1)
    second = put(database, id="job_1", waits_for_job_id=first)
    album = take(database)
    assert album.id == first
    assert take(database) is None
    end(database, album, JobEvent.SUCCEEDED)
    assert take(database).id == second


def test_companions_share_the_leader_s_batch_key_and_no_other(database):
    put(database, id="job_0", batch_key="k")
    put(database, id="job_1", batch_key="other")
    put(database, id="job_2", batch_key="k")
    put(database, id="job_3", batch_key="k")
    with database.write() as session:
        leader = queue.claim(session, ME)
        companions = queue.claim_companions(session, leader, ME, most=1)
        assert queue.claim_companions(session, leader, ME, most=0) == []
    assert [(job.id, job.attempt, job.status) for job in companions] == [("job_2", 1, "running")]
    assert look(database, "job_3").status == "queued"


def test_a_job_without_a_batch_key_has_no_companions(database):
    put(database, id="job_0")
    put(database, id="job_1")
    with database.write() as session:
        assert queue.claim_companions(session, queue.claim(session, ME), ME, most=5) == []


def test_a_job_whose_worker_died_neither_takes_companions_nor_becomes_one(database):
    for number, crashes in enumerate((1, 0, 1, 0)):
        put(database, id=f"job_{number}", batch_key="k", crashes=crashes)
    with database.write() as session:
        taken = []
        while leader := queue.claim(session, ME):
            taken.append([leader.id, *(job.id for job in queue.claim_companions(session, leader, ME, most=3))])
    assert taken == [["job_0"], ["job_1", "job_3"], ["job_2"]]


def test_many_workers_that_claim_at_once_never_get_one_job_twice(database):
    ids = {put(database, batch_key=f"k{n % 3}") for n in range(24)}
    taken: list[str] = []
    together = threading.Barrier(4)

    def work(number):
        claim = queue.Claim(f"wkr_{number}", LEASE)
        together.wait()
        while True:
            with database.write() as session:
                leader = queue.claim(session, claim)
                if leader is None:
                    return
                taken.extend(job.id for job in [leader, *queue.claim_companions(session, leader, claim, most=2)])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == len(ids)
    assert set(taken) == ids


def test_a_worker_that_was_given_up_hits_no_row(database):
    put(database)
    old = take(database)
    end(database, old, JobEvent.DRAINED)
    new = take(database)
    with database.write() as session:
        assert queue.heartbeat(session, old.id, old.attempt, LEASE) == queue.Heartbeat(alive=False)
        assert queue.heartbeat(session, new.id, new.attempt, LEASE) == queue.Heartbeat(alive=True)
    with pytest.raises(LeaseLostError, match="not this attempt's any more"), database.write() as session:
        queue.fenced(session, old.id, old.attempt, progress_done=9)
    with pytest.raises(LeaseLostError, match="has moved on"), database.write() as session:
        queue.move(session, old, JobEvent.SUCCEEDED, now_of(session))
    assert look(database, new.id).progress_done == 0


def test_a_move_that_the_table_does_not_have_is_refused(database):
    put(database)
    job = take(database)
    end(database, job, JobEvent.SUCCEEDED)
    with pytest.raises(InvalidTransitionError), database.write() as session:
        queue.move(session, session.get_one(Job, job.id), JobEvent.DRAINED, now_of(session))


def test_a_late_sign_of_life_still_counts_while_nobody_else_has_the_job(database):
    put(database)
    job = take(database, queue.Claim("wkr_me", timedelta(seconds=-1)))
    with database.write() as session:
        assert queue.heartbeat(session, job.id, job.attempt, LEASE).alive
        assert session.get_one(Job, job.id).lease_until > now_of(session)


def test_a_queued_job_is_cancelled_at_once_and_a_running_one_is_asked(database):
    waiting, running = put(database, id="job_1"), put(database, id="job_0")
    job = take(database)
    with database.write() as session:
        assert queue.request_cancel(session, rows.OWNER, waiting).status == "cancelled"
        assert queue.request_cancel(session, rows.OWNER, running).status == "running"
        assert queue.request_cancel(session, rows.OWNER, running).cancel_requested
        assert queue.heartbeat(session, job.id, job.attempt, LEASE).cancel_requested
    assert told(database, waiting) == ["created", "cancelled"]
    assert told(database, running) == ["created", "claimed", "cancel_requested"]


def test_cancelling_looks_at_the_job_as_it_is_and_not_as_it_was_read(postgres_database):
    database = postgres_database  # on SQLite a writing transaction is alone
    job_id = put(database)
    with database.write() as session:
        assert session.get_one(Job, job_id).status == "queued"
        take(database)
        assert queue.request_cancel(session, rows.OWNER, job_id).status == "running"


@pytest.mark.parametrize("event", [JobEvent.DRAINED, JobEvent.FAULTED])
def test_what_was_to_be_cancelled_does_not_go_back_into_the_queue(database, event):
    put(database)
    job = take(database)
    with database.write() as session:
        queue.request_cancel(session, rows.OWNER, job.id)
    assert end(database, job, event, error={"code": "x"}).status == "cancelled"
    assert look(database, job.id).error is None


def test_nobody_cancels_another_owner_s_job_or_one_that_has_ended(database):
    job_id = put(database)
    end(database, take(database), JobEvent.SUCCEEDED)
    with database.write() as session:
        assert queue.request_cancel(session, "own_other", job_id) is None
        assert queue.request_cancel(session, rows.OWNER, job_id).status == "succeeded"


@pytest.mark.parametrize(("event", "status"), [(JobEvent.FAILED, "failed"), (JobEvent.SUCCEEDED, "pending")])
def test_an_end_without_success_takes_the_checkpoint_and_those_that_wait_with_it(database, event, status):
    album = put(database, id="job_0", kind="album")
    second = put(database, id="job_1", kind="album", waits_for_job_id=album)
    third = put(database, id="job_2", waits_for_job_id=second)
    with database.write() as session:
        checkpoint_id = rows.checkpoint(session, job_id=album).id
        rows.stage_output(session, album)
    end(database, take(database), event)
    with database.read() as session:
        assert session.get_one(Checkpoint, checkpoint_id).status == status  # success is written by who has the weights
        assert session.query(StageOutput).count() == 0
    expected = "failed" if event is JobEvent.FAILED else "queued"
    assert [look(database, job_id).status for job_id in (second, third)] == [expected, expected]
    if event is JobEvent.FAILED:
        assert look(database, third).error["code"] == "checkpoint_not_ready"


def test_a_job_back_in_the_queue_shows_no_stage(database):
    put(database)
    job = take(database)
    with database.write() as session:
        queue.fenced(session, job.id, job.attempt, stage="finetune", progress_done=3, progress_total=9)
    end(database, job, JobEvent.DRAINED)
    back = look(database, job.id)
    assert (back.stage, back.progress_done, back.worker_id, back.lease_until) == (None, 0, None, None)


def test_what_is_counted_is_what_is_there(database):
    first = put(database, id="job_0")
    put(database, id="job_1", priority=3)
    last = put(database, id="job_2")
    with database.read() as session:
        assert [waiting.job_id for waiting in outlook.waiting(session)] == ["job_1", first, last]
        assert (queue.depth(session), jobs.count_open(session, rows.OWNER)) == (3, 3)
    end(database, take(database), JobEvent.SUCCEEDED, run_seconds=1.5)
    take(database)
    with database.read() as session:
        assert (queue.depth(session), jobs.count_open(session, rows.OWNER)) == (1, 2)
        assert [one.job_id for one in outlook.running(session)] == [first]
        assert outlook.measured(session, outlook.work_of(session.get_one(Job, first)).alike) == [(1.5, 0)]


def test_a_claim_is_found_by_the_queue_s_own_index(database):
    with database.write() as session:
        found = queue._first(*queue._claimable(session, ME), Job.owner_id == rows.OWNER)  # the plan is what is tested
        statement = found.limit(1)
        sql = str(statement.compile(database.engine, compile_kwargs={"literal_binds": True}))
        if database.is_sqlite:
            plan = session.execute(text(f"EXPLAIN QUERY PLAN {sql}")).all()
        else:
            session.execute(text("SET LOCAL enable_seqscan = off"))
            plan = session.execute(text(f"EXPLAIN {sql}")).all()
    assert "ix_jobs_turn" in str(plan)
    assert "SORT" not in str(plan).upper()

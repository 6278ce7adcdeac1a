"""Many workers do what they like, in any order, dead ones too; a model of the queue says what must come of it.

No job in two hands, no move outside the table, no write of an attempt that was given up; on both databases.
"""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import delete, select, update

from core.db import events, jobs, queue, reaper
from core.db.session import Database, now_of
from core.db.tables import Job
from core.domain.errors import LeaseLostError
from core.domain.job import TRANSITIONS, JobEvent, JobState, JobStatus, advance
from tests import rows
from tests.queue_model import Model, ModelJob

ENDS = [
    JobEvent.SUCCEEDED,
    JobEvent.SUCCEEDED,
    JobEvent.FAULTED,
    JobEvent.FAILED,
    JobEvent.FAULTED,
    JobEvent.DRAINED,
    JobEvent.CANCELLED,
]
HOPELESS = [status for status in JobStatus if status.terminal and status is not JobStatus.SUCCEEDED]
"""Who waits for these is ended by the reaper: its own tests look at that."""
HOUR = timedelta(hours=1)
PRIORITIES = st.integers(0, 2)
BATCH_KEYS = st.sampled_from([None, "a", "b"])


class QueueMachine(RuleBasedStateMachine):
    """The queue beside its model; `attempts` are all claims ever made, by workers dead and alive."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.database = database
        self.model = Model()
        self.attempts: list[tuple[str, int]] = []
        self.token = 0
        with database.write() as session:
            session.execute(delete(Job))

    def _any(self, data: st.DataObject) -> tuple[ModelJob, int]:
        """An attempt: mostly one that still holds its job, or one that was given up and whose job another has now."""
        holding = [each for each in self.attempts if self.model.holds(*each)]
        given_up = [(job_id, attempt) for job_id, attempt in self.attempts for other, _ in holding if other == job_id]
        pools = [pool for pool in (holding, holding, given_up, self.attempts) if pool]
        job_id, attempt = data.draw(st.sampled_from(data.draw(st.sampled_from(pools))))
        return self.model.jobs[job_id], attempt

    @initialize(jobs=st.lists(st.tuples(PRIORITIES, BATCH_KEYS, st.booleans()), min_size=4, max_size=10))
    def begin(self, jobs):
        for priority, batch_key, waits in jobs:
            self._put(priority, batch_key, next(iter(self.model.jobs), None) if waits else None, late=False)

    @rule(data=st.data(), priority=PRIORITIES, batch_key=BATCH_KEYS, late=st.sampled_from([False, False, True]))
    def put(self, data, priority, batch_key, late):
        hopes = [job.id for job in self.model.jobs.values() if job.state.status not in HOPELESS]
        self._put(priority, batch_key, data.draw(st.sampled_from([None, *hopes])), late)

    def _put(self, priority: int, batch_key: str | None, waits_for: str | None, late: bool) -> None:
        job = ModelJob(f"job_{len(self.model.jobs):04}", priority, batch_key, waits_for, late)
        with self.database.write() as session:
            row = rows.job(id=job.id, priority=priority, batch_key=batch_key, waits_for_job_id=waits_for)
            row.start_by = now_of(session) - HOUR if late else None
            jobs.insert(session, row)
        self.model.jobs[job.id] = job

    @rule(worker=st.sampled_from(["wkr_1", "wkr_2", "wkr_3"]), most=st.integers(0, 2))
    def claim(self, worker, most):
        with self.database.write() as session:
            wanted = queue.Claim(worker, HOUR)
            leader = queue.claim(session, wanted)
            taken = [] if leader is None else [leader, *queue.claim_companions(session, leader, wanted, most)]
            self._took(taken, most)

    @precondition(lambda self: not self.database.is_sqlite)
    @rule()
    def claim_while_another_claims(self):
        with self.database.write() as one, self.database.write() as other:
            self._took([job for job in [queue.claim(one, rows.ME)] if job], 0)
            self._took([job for job in [queue.claim(other, rows.ME)] if job], 0)

    def _took(self, taken: list[Job], most: int) -> None:
        expected = self.model.claimable()[:1]
        for leader in list(expected):
            self.model.move(leader, JobEvent.CLAIMED)
            expected += self.model.companions(leader)[:most]
        for companion in expected[1:]:
            self.model.move(companion, JobEvent.CLAIMED)
        assert [job.id for job in taken] == [job.id for job in expected]
        self.attempts += [(job.id, job.attempt) for job in taken]

    @precondition(lambda self: self.attempts)
    @rule(data=st.data())
    def beat(self, data):
        job, attempt = self._any(data)
        with self.database.write() as session:
            answer = queue.heartbeat(session, job.id, attempt, HOUR)
        alive = self.model.holds(job.id, attempt)
        assert answer == queue.Heartbeat(alive, alive and job.cancel_requested)
        job.overdue = job.overdue and not alive

    @precondition(lambda self: self.attempts)
    @rule(data=st.data())
    def write(self, data):
        job, attempt = self._any(data)
        self.token += 1
        if self.model.holds(job.id, attempt):
            with self.database.write() as session:
                queue.fenced(session, job.id, attempt, progress_done=self.token)
            job.written = self.token
        else:
            with pytest.raises(LeaseLostError), self.database.write() as session:
                queue.fenced(session, job.id, attempt, progress_done=self.token)

    @precondition(lambda self: self.attempts)
    @rule(data=st.data(), event=st.sampled_from(ENDS))
    def leave(self, data, event):
        job, attempt = self._any(data)
        if self.model.holds(job.id, attempt):
            with self.database.write() as session:
                queue.move(session, queue.fenced(session, job.id, attempt), event, now_of(session))
            self.model.move(job, event)
        else:
            with pytest.raises(LeaseLostError), self.database.write() as session:
                queue.move(session, queue.fenced(session, job.id, attempt), event, now_of(session))

    @precondition(lambda self: self.model.jobs)
    @rule(data=st.data(), running=st.booleans())
    def cancel(self, data, running):
        """Mostly running ones: of the queued ones some should be left."""
        alive = [job.id for job in self.model.jobs.values() if job.state.status is JobStatus.RUNNING]
        job = self.model.jobs[data.draw(st.sampled_from(alive if running and alive else sorted(self.model.jobs)))]
        with self.database.write() as session:
            assert queue.request_cancel(session, rows.OWNER, job.id) is not None
        self.model.cancel(job)

    @precondition(lambda self: self.attempts)
    @rule(data=st.data(), found_out=st.booleans())
    def die(self, data, found_out):
        job, attempt = self._any(data)
        if self.model.holds(job.id, attempt):
            with self.database.write() as session:
                session.get_one(Job, job.id).lease_until = now_of(session) - HOUR
            job.overdue = True
        if found_out:
            self.reap()
            self.time_passes()
            self.claim("wkr_4", 2)

    @rule()
    def reap(self):
        with self.database.write() as session:
            reaper.reap(session)
        self.model.reap()

    @precondition(lambda self: self.attempts and not self.database.is_sqlite)
    @rule(data=st.data())
    def reap_while_a_worker_writes(self, data):
        job, attempt = self._any(data)
        if self.model.holds(job.id, attempt):
            self.token += 1
            with self.database.write() as writing, self.database.write() as reaping:
                queue.fenced(writing, job.id, attempt, progress_done=self.token)
                reaper.reap(reaping)
            job.written = self.token
            self.model.reap(locked=job.id)

    @rule()
    def time_passes(self):
        with self.database.write() as session:
            session.execute(update(Job).values(run_after=None))
        for job in self.model.jobs.values():
            job.held_back = False

    @invariant()
    def the_rows_are_as_the_model_says(self):
        with self.database.read() as session:
            found = {job.id: job for job in session.scalars(select(Job))}
        assert set(found) == set(self.model.jobs)
        for job in self.model.jobs.values():
            row = found[job.id]
            state = (row.status, row.attempt, row.crashes, row.faults, row.cancel_requested, row.progress_done)
            moved = job.state
            expected = (moved.status, moved.attempt, moved.crashes, moved.faults, job.cancel_requested, job.written)
            assert state == expected
            assert (row.worker_id is not None) == (row.lease_until is not None) == (row.status == JobStatus.RUNNING)
            assert (row.finished_at is not None) == JobStatus(row.status).terminal

    def teardown(self):
        """Every timeline tells a walk through the table that ends where the job stands."""
        with self.database.read() as session:
            for job in self.model.jobs.values():
                told = [event.type for event in events.after(session, rows.OWNER, job.id)]
                assert told == ["created", *job.history]
                assert _walked(told) == job.state.status


def _walked(told: list[str]) -> JobStatus:
    state = JobState(JobStatus.QUEUED)
    for word in told:
        if word in ("created", "cancel_requested"):
            continue
        event = next(
            event
            for event in JobEvent
            if (state.status, event) in TRANSITIONS
            and (moved := advance(state, event, rows.NOW))
            and word == (moved.status if moved.status.terminal else event)
        )
        state = advance(state, event, rows.NOW)
    return state.status


def test_whatever_workers_do_the_queue_does_as_its_model(database):
    run_state_machine_as_test(
        lambda: QueueMachine(database),
        settings=settings(
            max_examples=40,
            stateful_step_count=40,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )

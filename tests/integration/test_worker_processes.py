"""Worker processes on real databases: killed, drained, several at once."""

import signal

import pytest
from sqlalchemy import text

from tests.benches import crops, portraits, tiny_recipe
from tests.integration.workers import kill

LONG = tiny_recipe("personal", finetune={"iterations": 400})
EAGER = ("-m", "tests.integration.eager_worker")


def ended(bench, *jobs):
    return lambda: all(bench.job(job).finished_at for job in jobs)


def in_the_middle_of_tuning(bench, job):
    def reached():
        row = bench.job(job)
        return row.stage == "finetune" and row.progress_done > 20 and "resume-finetune" in bench.outputs(job)

    return reached


@pytest.fixture
def album(served):
    bench, _ = served
    subject = bench.add_subject()
    photos = bench.add_album(subject, portraits(3))
    return lambda: bench.add_tuning(subject, photos, LONG, kind="checkpoint")


def test_a_worker_killed_in_the_middle_of_a_tuning_is_replaced_and_the_bytes_are_those_of_an_uninterrupted_run(
    served, album
):
    bench, workers = served
    job = album()
    first = workers.start(*EAGER)
    workers.wait_for(in_the_middle_of_tuning(bench, job), "the middle of a tuning")
    kill(first)
    workers.start(*EAGER)
    workers.wait_for(ended(bench, job), "the job's end")
    row = bench.job(job)
    assert (row.status, row.attempt, row.crashes) == ("succeeded", 2, 1)
    assert bench.events(job).count("lease_lost") == 1
    uninterrupted = album()
    workers.wait_for(ended(bench, uninterrupted), "the other job's end")
    assert bench.job(uninterrupted).attempt == 1
    assert bench.checkpoint_bytes(job) == bench.checkpoint_bytes(uninterrupted)


def test_a_worker_that_is_told_to_stop_gives_its_job_back_and_says_goodbye(served, album):
    bench, workers = served
    job = album()
    first = workers.start(*EAGER)
    workers.wait_for(in_the_middle_of_tuning(bench, job), "the middle of a tuning")
    first.send_signal(signal.SIGTERM)
    assert first.wait(timeout=60) == 0
    row = bench.job(job)
    assert (row.status, row.crashes, row.faults, row.run_after) == ("queued", 0, 0, None)
    with bench.database.read() as session:
        assert session.scalar(text("SELECT state FROM workers")) == "gone"


def test_two_workers_never_make_the_same_stage_commit(on_postgres):
    bench, workers = on_postgres
    with bench.database.write() as session:
        session.execute(text("CREATE TABLE ledger (job_id text, stage text, item text, what text, attempt int)"))
        session.execute(
            text(
                "CREATE FUNCTION note() RETURNS trigger AS $$ BEGIN INSERT INTO ledger VALUES"
                " (NEW.job_id, NEW.stage, NEW.item, TG_OP, NEW.attempt); RETURN NEW; END $$ LANGUAGE plpgsql"
            )
        )
        session.execute(
            text("CREATE TRIGGER noted AFTER INSERT OR UPDATE ON stage_outputs FOR EACH ROW EXECUTE FUNCTION note()")
        )
    subject = bench.add_subject()
    album = bench.add_tuning(subject, bench.add_album(subject, portraits(3)))
    jobs = [album, *(bench.add_restoration(crops(1)[0], checkpoint=album, waits=True, seed=n) for n in range(12))]
    jobs += [bench.add_restoration(photo, tiny_recipe("generative"), seed=n) for n, photo in enumerate(crops(6))]
    for _ in range(2):
        workers.start("-m", "worker")
    workers.wait_for(ended(bench, *jobs), "the end of all jobs")
    assert {bench.job(job).status for job in jobs} == {"succeeded"}
    with bench.database.read() as session:
        commits = session.execute(text("SELECT job_id, stage, item FROM ledger")).all()
        takers = session.scalars(
            text("SELECT DISTINCT data->>'worker_id' FROM job_events WHERE type = 'claimed'")
        ).all()
    assert len(commits) == len(set(commits)) > len(jobs)
    assert len(takers) == 2
    assert {bench.job(job).attempt for job in jobs} == {1}

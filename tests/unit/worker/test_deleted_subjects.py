"""Whenever a subject is deleted, a job under way brings nothing of them back: before each of its writes once."""

import itertools

from sqlalchemy import func, select

from core.db import restorations
from core.db.tables import AlbumPhoto, CandidateRow, Checkpoint, Job, OutboxMessage, Restoration, StageOutput, Subject
from core.services import subjects
from core.services.sweep import sweep
from tests.benches import OWNER, crops, portraits, tiny_recipe
from worker.patience import Patience

QUICK = tiny_recipe("personal", finetune={"iterations": 2, "batch": 1})
DIRECTLY = tiny_recipe("personal", restore={"noise_steps": 3})
TABLES = (AlbumPhoto, Checkpoint, StageOutput, Restoration, CandidateRow)


def before_write(monkeypatch, number, action):
    """Do something before a worker's n-th write from here; whether it came to that stands in the list."""
    real, left, done = Patience.write, itertools.count(number, -1), []

    def write(self, *arguments):
        if next(left) == 1:
            action()
            done.append(number)
        return real(self, *arguments)

    monkeypatch.setattr(Patience, "write", write)
    return done


def forget(bench, subject_id):
    with bench.database.write() as session:
        subjects.delete(session, OWNER, subject_id)


def left(bench):
    with bench.database.read() as session:
        return {table.__tablename__: session.scalar(select(func.count()).select_from(table)) for table in TABLES}


def demand_nothing(bench, subject_id, job):
    assert left(bench) == dict.fromkeys((table.__tablename__ for table in TABLES), 0)
    assert bench.job(job).status == "cancelled"
    subject = bench.row(Subject, subject_id)
    assert (subject.name, subject.consent, subject.album_report, subject.default_checkpoint_id) == (
        "",
        None,
        None,
        None,
    )
    sweep(bench.database, bench.store, grace=bench.settings.lease * 0)
    assert list(bench.store.refs()) == []


def tuning(bench):
    subject_id = bench.add_subject()
    return subject_id, bench.add_tuning(subject_id, bench.add_album(subject_id, portraits(3, side=64)), QUICK)


def test_of_an_album_under_way_nothing_comes_back(bench, worker, monkeypatch):
    for number in itertools.count(1):
        subject_id, job = tuning(bench)
        with monkeypatch.context() as patched:
            done = before_write(patched, number, lambda subject_id=subject_id: forget(bench, subject_id))
            worker.loop.run_until_empty()
        if not done:
            break
        demand_nothing(bench, subject_id, job)
    assert bench.job(job).status == "succeeded"  # it had no more writes than were tried
    assert number > 4


def test_of_a_restoration_under_way_nothing_comes_back(bench, worker, monkeypatch):
    _, album = tuning(bench)
    worker.loop.run_until_empty()
    tuned, weights = bench.row(Checkpoint, album.checkpoint_id), bench.checkpoint_bytes(album)
    bench_is_empty(bench)
    for number in itertools.count(1):
        subject_id, album = tuning(bench)
        ref = bench.keep(weights)
        ready = {"status": "ready", "blob_sha256": ref.sha256, "size_bytes": ref.size_bytes}
        bench.change(Checkpoint, album.checkpoint_id, album_sha256=tuned.album_sha256, **ready)
        bench.change(Job, album.id, status="succeeded", finished_at=album.created_at)
        job = bench.add_restoration(crops(1)[0], DIRECTLY, checkpoint=album)
        if number % 2:
            name_by_face(bench, job, subject_id)
        with monkeypatch.context() as patched:
            done = before_write(patched, number, lambda subject_id=subject_id: forget(bench, subject_id))
            worker.loop.run_until_empty()
        if not done:
            break
        demand_nothing(bench, subject_id, job)
    assert bench.job(job).status == "succeeded", bench.job(job).error
    assert number > 2


def name_by_face(bench, job, subject_id):
    """As a group photo names whom it shows: in its options and links, and not in its own columns."""
    bench.change(Job, job.id, subject_id=None, options={**job.options, "subject_ids": [subject_id]})
    with bench.database.write() as session:
        row = session.get_one(Restoration, job.restoration_id)
        restorations.name_checkpoints(session, row, {job.checkpoint_id: subject_id})
        row.subject_id = None


def bench_is_empty(bench):
    with bench.database.read() as session:
        there = list(session.scalars(select(Subject.id).where(Subject.deleted_at.is_(None))))
    for subject_id in there:
        forget(bench, subject_id)


def test_what_is_told_of_a_subject_that_is_deleted_outlives_it(bench, worker):
    subject_id, _ = tuning(bench)
    worker.loop.run_until_empty()
    forget(bench, subject_id)
    with bench.database.read() as session:
        told = [row.type for row in session.scalars(select(OutboxMessage).order_by(OutboxMessage.id))]
    assert told == ["job.started", "job.succeeded", "subject.ready", "subject.deleted"]

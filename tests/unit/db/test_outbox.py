"""What is told of jobs and subjects stands in the outbox from the moment that it is true, and not before."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from core.db import outbox, queue, reaper
from core.db.session import now_of
from core.db.tables import OutboxMessage, Subject
from core.domain.errors import LeaseLostError
from core.domain.job import JobEvent
from core.services import subjects
from tests import rows
from tests.rows import DEAD, OWNER, put, take


def messages(database):
    with database.read() as session:
        return list(session.scalars(select(OutboxMessage).order_by(OutboxMessage.id)))


def types(database):
    return [message.type for message in messages(database)]


def end(database, job, event, **columns):
    with database.write() as session:
        queue.move(session, queue.fenced(session, job.id, job.attempt), event, now_of(session), **columns)


def test_a_job_tells_that_it_began_and_how_it_ended(database):
    job_id = put(database, restoration_id="res_1", subject_id="sub_1", checkpoint_id="ckp_1")
    assert types(database) == []
    end(database, take(database), JobEvent.SUCCEEDED)
    assert types(database) == ["job.started", "job.succeeded"]
    message = messages(database)[1]
    assert message.owner_id == OWNER
    assert message.payload["id"].startswith("evt_")
    assert message.payload["data"] == {
        "job_id": job_id,
        "kind": "restoration",
        "status": "succeeded",
        "subject_id": "sub_1",
        "checkpoint_id": "ckp_1",
        "restoration_id": "res_1",
        "error_code": None,
    }


def test_every_event_has_an_id_of_its_own(database):
    put(database)
    end(database, take(database), JobEvent.CANCELLED)
    first, second = messages(database)
    assert first.payload["id"] != second.payload["id"]


@pytest.mark.parametrize("kind", ["album", "checkpoint"])
def test_a_subject_is_ready_when_a_checkpoint_of_theirs_was_made(database, kind):
    put(database, kind=kind, subject_id="sub_1", checkpoint_id="ckp_1")
    end(database, take(database), JobEvent.SUCCEEDED)
    assert types(database) == ["job.started", "job.succeeded", "subject.ready"]
    assert messages(database)[2].payload["data"] | {"job_id": ""} == {
        "subject_id": "sub_1",
        "checkpoint_id": "ckp_1",
        "job_id": "",
    }


def test_an_album_that_was_only_looked_at_makes_nobody_ready(database):
    put(database, kind="album", subject_id="sub_1")
    end(database, take(database), JobEvent.SUCCEEDED)
    assert types(database) == ["job.started", "job.succeeded"]


def test_a_failure_is_told_with_its_code_and_without_its_words(database):
    put(database)
    error = {"code": "no_face_detected", "detail": "In holiday.jpg there is none.", "advice": "Send another."}
    end(database, take(database), JobEvent.FAILED, error=error)
    assert messages(database)[1].payload["data"]["error_code"] == "no_face_detected"
    assert "holiday" not in str(messages(database)[1].payload)


def test_what_goes_back_into_the_queue_tells_nothing_and_begins_but_once(database):
    put(database)
    end(database, take(database), JobEvent.DRAINED)
    end(database, take(database), JobEvent.SUCCEEDED)
    assert types(database) == ["job.started", "job.succeeded"]


def test_what_came_too_late_and_what_was_quarantined_has_failed(database):
    with database.read() as session:
        now = now_of(session)
    put(database, start_by=now - timedelta(hours=1))
    put(database, crashes=2)
    take(database, DEAD)
    with database.write() as session:
        reaper.reap(session)
    failed = [message.payload["data"] for message in messages(database) if message.type == "job.failed"]
    assert sorted((data["status"], data["error_code"]) for data in failed) == [
        ("expired", "deadline_exceeded"),
        ("quarantined", "worker_lost"),
    ]


def test_a_move_that_is_rolled_back_tells_nothing(database):
    put(database)
    job = take(database)

    def move_and_lose():
        with database.write() as session:
            queue.move(session, queue.fenced(session, job.id, 1), JobEvent.SUCCEEDED, now_of(session))
            raise LeaseLostError("somebody moved first")

    with pytest.raises(LeaseLostError):
        move_and_lose()
    assert types(database) == ["job.started"]


def test_a_job_says_whom_else_it_tells(database):
    also = {"endpoint_id": "whe_1", "url": "https://photos.example/done"}
    put(database, options={outbox.WEBHOOK_OPTION: also})
    take(database)
    assert messages(database)[0].payload["also"] == also


def test_a_deleted_subject_is_told_by_id_alone(database):
    with database.write() as session:
        subject_id = rows.subject(session).id
        session.get_one(Subject, subject_id).name = "Ada"
    with database.write() as session:
        subjects.delete(session, OWNER, subject_id)
    (message,) = messages(database)
    assert (message.type, message.payload["data"]) == ("subject.deleted", {"subject_id": subject_id})

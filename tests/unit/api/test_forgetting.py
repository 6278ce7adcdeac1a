"""What is deleted is not found again by a way round: a stored answer, a photo that came along, an upload."""

from datetime import timedelta

import pytest

from core.db import files, queue
from core.db.session import now_of
from core.db.tables import Checkpoint, File, IdempotencyKey, Job, Restoration, Subject
from core.services import checkpoints, retrying, subjects
from tests import pretend_worker
from tests.served import CONSENT, served
from tests.small_photos import photo, zip_of, zipped

PERSON = {"name": "Alice Liddell", "category": "person", "consent": CONSENT}


@pytest.fixture
def api(database, tmp_path):
    with served(database, tmp_path / "home") as service:
        yield service


def sent_along(api, **fields):
    """A restoration of a photo that comes along with the request; the job."""
    options = {"files": {"file": ("alice.png", photo(7))}, "data": fields}
    return api.made("POST", "/v1/restorations", 202, **options)


def file_of(api, job):
    return api.made("GET", f"/v1/restorations/{job['restoration_id']}", 200)["file_id"]


def file_ids(api):
    with api.database.read() as session:
        return {row.id for row in session.query(File).all()}


def kept_answers(api):
    with api.database.read() as session:
        return b"".join(row.body or b"" for row in session.query(IdempotencyKey).all())


def test_the_answer_that_made_a_subject_is_forgotten_with_it_and_its_repetition_makes_nothing(api):
    made = api.made("POST", "/v1/subjects", 201, json=PERSON, headers={"Idempotency-Key": "one"})
    other = api.made("POST", "/v1/subjects", 201, json=PERSON, headers={"Idempotency-Key": "two"})
    api.made("DELETE", f"/v1/subjects/{made['id']}", 200)
    again = api.client.post("/v1/subjects", json=PERSON, headers={"Idempotency-Key": "one"})
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    assert "deleted" in again.json()["detail"]
    assert made["id"].encode() not in kept_answers(api)
    assert api.made("POST", "/v1/subjects", 201, json=PERSON, headers={"Idempotency-Key": "two"}) == other
    with api.database.read() as session:
        assert session.query(Subject).filter_by(deleted_at=None).count() == 1
        assert session.get_one(IdempotencyKey, ("own_local", "one")).request_sha256 == ""


def test_a_deleted_restoration_or_file_is_not_answered_from_memory_either(api):
    name = {"files": {"file": ("alice.png", photo(1))}, "headers": {"Idempotency-Key": "file"}}
    file_id = api.made("POST", "/v1/files", 201, **name)["id"]
    body = {"json": {"input": {"file_id": file_id}, "mode": "direct"}, "headers": {"Idempotency-Key": "job"}}
    job = api.made("POST", "/v1/restorations", 202, **body)
    api.client.delete(f"/v1/restorations/{job['restoration_id']}")
    api.client.delete(f"/v1/files/{file_id}")
    assert kept_answers(api) == b""
    assert api.client.post("/v1/restorations", **body).status_code == 409
    assert api.client.post("/v1/files", **name).status_code == 409


def test_a_photo_that_came_along_goes_with_its_restoration_and_an_upload_stays(api):
    along, uploaded = sent_along(api, mode="direct"), api.restoration(mode="direct")
    (stays,) = file_ids(api) - {file_of(api, along)}
    for job in (along, uploaded):
        pretend_worker.restore(api.database, api.store, job["id"])
        assert api.client.delete(f"/v1/restorations/{job['restoration_id']}").status_code == 204
    assert file_ids(api) == {stays}


def test_a_photo_that_came_along_stays_while_another_restoration_has_it(api):
    first = sent_along(api, mode="direct")
    file_id = file_of(api, first)
    again = {"input": {"file_id": file_id}, "mode": "direct"}
    second = api.made("POST", "/v1/restorations", 202, json=again)
    assert api.made("GET", f"/v1/files/{file_id}", 200)["expires_at"] is None
    api.client.delete(f"/v1/restorations/{first['restoration_id']}")
    assert file_ids(api) == {file_id}
    api.client.delete(f"/v1/restorations/{second['restoration_id']}")
    assert file_ids(api) == set()


def test_a_photo_that_came_along_stays_where_somebody_begins_to_need_it(postgres_database, tmp_path):
    with served(postgres_database, tmp_path / "home") as api:
        job = sent_along(api, mode="direct")
        file_id = file_of(api, job)
        with postgres_database.write() as session:
            assert files.get(session, "own_local", file_id, keep=True)
            assert api.client.delete(f"/v1/restorations/{job['restoration_id']}").status_code == 204
        assert file_ids(api) == {file_id}


def test_with_a_subject_go_the_photos_that_came_along_and_the_receipt_names_the_uploads_that_stay(api):
    subject_id = api.subject()
    album = api.made("PUT", "/v1/files?name=alice.zip", 201, content=zip_of(range(4)))["id"]
    job = api.made("POST", f"/v1/subjects/{subject_id}/album", 202, json={"file_ids": [album]})
    pretend_worker.tune(api.database, api.store, job["id"])
    in_the_album, restored, unrelated = api.file(2), api.file(50), api.file(51)
    along = sent_along(api, subject_id=subject_id)
    body = {"input": {"file_id": restored}, "subject_id": subject_id}
    api.made("POST", "/v1/restorations", 202, json=body)
    came_along = file_of(api, along)
    receipt = api.made("DELETE", f"/v1/subjects/{subject_id}", 200)
    assert receipt["removed"]["files"] == 1
    assert receipt["files_left"] == sorted([album, in_the_album, restored])
    assert file_ids(api) == {album, in_the_album, restored, unrelated}
    assert api.client.get(f"/v1/files/{came_along}").status_code == 404


def expire(api, table, row_id):
    with api.database.write() as session:
        session.get_one(table, row_id).expires_at = now_of(session) - timedelta(seconds=1)


def test_what_is_over_is_not_served_until_a_worker_comes_to_forget_it(api):
    file_id, restoration_id = api.file(), api.restored()
    queued = api.restoration(mode="direct")["restoration_id"]
    for table, row_id in ((File, file_id), (Restoration, restoration_id), (Restoration, queued)):
        expire(api, table, row_id)
    for path in (f"files/{file_id}", f"files/{file_id}/content", f"restorations/{restoration_id}"):
        assert api.client.get(f"/v1/{path}").status_code == 404
    assert api.client.get(f"/v1/restorations/{restoration_id}/image").status_code == 404
    body = {"input": {"file_id": file_id}, "mode": "direct"}
    assert api.client.post("/v1/restorations", json=body).status_code == 404
    assert api.client.get(f"/v1/restorations/{queued}").status_code == 200


def meanwhile(monkeypatch, module, name, work):
    """Before a function is called for the first time, somebody else is quicker."""
    real, waiting = getattr(module, name), [work]

    def called(*arguments, **options):
        if waiting and (name != "get" or options.get("lock")):
            waiting.pop()()
        return real(*arguments, **options)

    monkeypatch.setattr(module, name, called)


def test_a_deletion_stops_the_job_that_a_retry_puts_in_the_old_one_s_place_at_the_same_moment(
    postgres_database, tmp_path, monkeypatch
):
    with served(postgres_database, tmp_path / "home") as api:
        job = api.restoration(mode="direct")
        pretend_worker.fail(api.database, job["id"])
        again = []

        def retry():
            with postgres_database.write() as session:
                prior = api.client.app.state.service.offer.prior
                again.append(retrying.retry(session, "own_local", job["id"], prior).id)

        meanwhile(monkeypatch, queue, "request_cancel", retry)
        assert api.client.delete(f"/v1/restorations/{job['restoration_id']}").status_code == 204
        with postgres_database.read() as session:
            assert session.get_one(Job, again[0]).status == "cancelled"
            assert session.query(Restoration).count() == 0


def test_a_checkpoint_that_is_deleted_at_the_same_moment_restores_nothing(postgres_database, tmp_path, monkeypatch):
    with served(postgres_database, tmp_path / "home") as api:
        subject_id, checkpoint_id = api.tuned()

        def delete():
            with postgres_database.write() as session:
                checkpoints.delete(session, "own_local", subject_id, checkpoint_id)

        body = {"input": {"file_id": api.file()}, "checkpoint_id": checkpoint_id}
        meanwhile(monkeypatch, subjects, "get", delete)
        answer = api.client.post("/v1/restorations", json=body)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (404, "/checkpoint_id")
        with postgres_database.read() as session:
            assert session.query(Checkpoint).count() == session.query(Restoration).count() == 0


def test_with_a_subject_goes_a_batch_of_which_nothing_is_left_and_what_was_answered_about_it(api):
    subject_id, _ = api.tuned()
    sent_zip = {"file": ("a.zip", zipped({"alice.png": photo(1), "alice.jpg": b"no photo"}))}
    key = {"Idempotency-Key": "batch"}
    sent = {"files": sent_zip, "data": {"subject_id": subject_id}, "headers": key}
    batch = api.made("POST", "/v1/batches", 202, **sent)
    other = api.made("POST", "/v1/batches", 202, files=sent_zip, data={"mode": "direct"})
    assert b"alice" in kept_answers(api)
    api.made("DELETE", f"/v1/subjects/{subject_id}", 200)
    assert api.client.get(f"/v1/batches/{batch['id']}").status_code == 404
    assert api.made("GET", f"/v1/batches/{other['id']}", 200)["photos"] == 1
    assert kept_answers(api) == b""
    assert api.client.post("/v1/batches", **sent).status_code == 409

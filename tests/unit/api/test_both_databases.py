"""What depends on the database: its locks, its types, what it refuses. On SQLite and on Postgres."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from core.db.tables import AlbumPhoto, Checkpoint, File, Job, Restoration, Subject
from core.storage.open import open_store
from tests import pretend_worker
from tests.served import served
from tests.small_photos import photo, zip_of

TWO = [("sqlite", "fs"), ("sqlite", "database"), ("postgres", "database")]


@pytest.fixture(params=TWO, ids="-".join)
def both(request, tmp_path):
    kind, driver = request.param
    database = request.getfixturevalue(f"{kind}_database")
    with served(database, tmp_path, open_store(driver, tmp_path, database)) as api:
        yield api


def at_once(count, call):
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(call, range(count)))


def count(api, table):
    with api.database.read() as session:
        return session.query(table).count()


def test_a_person_s_way_from_the_album_to_the_picture_and_out_again(both):
    subject_id, checkpoint_id = both.tuned()
    job = both.restoration(subject_id=subject_id, candidates=2)
    assert job["checkpoint_id"] == checkpoint_id
    pretend_worker.restore(both.database, both.store, job["id"])
    found = both.made("GET", job["links"]["restoration"], 200)
    assert both.client.get(found["links"]["image"]).content == photo(901)
    assert both.client.get(
        both.made("GET", f"/v1/subjects/{subject_id}/checkpoints", 200)["data"][0]["links"]["content"]
    )
    assert len(both.made("GET", f"/v1/jobs?subject={subject_id}", 200)["data"]) == 2
    assert both.client.get(job["links"]["events"]).text.count("event: ") == 3
    receipt = both.made("DELETE", f"/v1/subjects/{subject_id}", 200)
    assert receipt["removed"]["restorations"] == 1
    assert both.client.get(job["links"]["restoration"]).status_code == 404


def test_who_a_face_may_have_been_is_forgotten_with_the_person(both):
    ada, bob = both.subject(), both.subject()
    ids = [both.restored() for _ in range(2)]
    for restoration_id, supposed in zip(ids, (ada, bob), strict=True):
        with both.database.write() as session:
            row = session.get_one(Restoration, restoration_id)
            row.faces = [row.faces[0] | {"proposal": {"subject_id": supposed, "sureness": 0.2}}]
    both.made("DELETE", f"/v1/subjects/{ada}", 200)
    faces = [both.made("GET", f"/v1/restorations/{restoration_id}", 200)["faces"][0] for restoration_id in ids]
    assert faces[0]["proposal"] is None
    assert faces[1]["proposal"] == {"subject_id": bob, "sureness": 0.2}


def test_a_repeated_request_is_done_once_however_many_come_at_once(both):
    def send(_):
        body = {"name": "Tom", "category": "cat"}
        return both.client.post("/v1/subjects", json=body, headers={"Idempotency-Key": "the-same"})

    answers = at_once(8, send)
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.content for answer in answers if answer.status_code == 201}) == 1
    assert count(both, Subject) == 1


def test_the_same_tuning_asked_for_at_once_is_one(both):
    subject_id, _ = both.tuned()
    path = f"/v1/subjects/{subject_id}/checkpoints"
    answers = at_once(6, lambda _: both.client.post(path, json={"seed": 5}))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert count(both, Checkpoint) == 2


def test_the_same_album_sent_at_once_is_one(both):
    subject_id = both.subject()
    files = {"file": ("a.zip", zip_of(range(5)))}
    answers = at_once(4, lambda _: both.client.post(f"/v1/subjects/{subject_id}/album", files=files))
    assert {answer.status_code for answer in answers} == {202}
    assert count(both, AlbumPhoto) == 5
    assert count(both, Job) == count(both, Checkpoint) == 1


def test_many_uploads_at_once_are_all_there(both):
    answers = at_once(40, lambda n: both.client.post("/v1/files", files={"file": ("x.png", photo(n % 10))}))
    assert {answer.status_code for answer in answers} == {201}
    assert count(both, File) == 40
    assert len(list(both.store.refs())) == 10
    for n, answer in enumerate(answers):
        assert both.client.get(answer.json()["links"]["content"]).content == photo(n % 10)


def test_a_subject_deleted_while_restorations_are_asked_for_leaves_none(both):
    subject_id, _ = both.tuned()
    file_id = both.file()
    body = {"input": {"file_id": file_id}, "subject_id": subject_id}

    def act(number):
        if number == 3:
            return both.client.delete(f"/v1/subjects/{subject_id}")
        return both.client.post("/v1/restorations", json=body)

    answers = at_once(8, act)
    assert answers[3].status_code == 200
    assert {answer.status_code for answer in answers} <= {200, 202, 404}
    assert both.made("GET", f"/v1/restorations?subject={subject_id}", 200)["data"] == []
    open_jobs = both.made("GET", "/v1/jobs?status=queued", 200)["data"]
    assert open_jobs == []


def test_a_refused_photo_leaves_no_bytes_behind(both):
    answer = both.client.post("/v1/restorations", files={"file": ("x.png", photo(0))}, data={"noise_steps": "5000"})
    assert answer.status_code == 422
    assert list(both.store.refs()) == []
    assert both.store.sweep_unfinished(0.0) == 0


@pytest.mark.parametrize("text", ["a\x00b", "\ud800", "x" * 201])
def test_text_that_a_database_cannot_keep_is_refused_before_it_sees_it(both, text):
    import json

    content = json.dumps({"name": text, "category": "cat"}).encode()
    answer = both.client.post("/v1/subjects", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422, answer.text


@pytest.mark.parametrize("name", ["\u0000", "😀.png", "‮gnp.exe", "a" * 300, "é" * 255])
def test_any_name_can_be_a_file_s(both, name):
    answer = both.client.post("/v1/files", files={"file": (name, photo(0))})
    assert answer.status_code == 201, answer.text
    assert both.client.get(answer.json()["links"]["content"]).status_code == 200


def cancelled_restoration(api, **body):
    job = api.restoration(mode="direct", **body)
    api.made("POST", job["links"]["cancel"], 200)
    return job


def test_a_restoration_is_made_anew_by_one_job_however_often_it_is_retried(both):
    job = cancelled_restoration(both)
    answers = at_once(4, lambda _: both.client.post(job["links"]["retry"]))
    assert sorted(answer.status_code for answer in answers) == [202, 409, 409, 409]
    [again] = [answer.json() for answer in answers if answer.status_code == 202]
    for refused in (answer.json() for answer in answers if answer.status_code == 409):
        assert refused["code"] == "conflict"
        assert again["id"] in refused["advice"]
    pretend_worker.restore(both.database, both.store, again["id"])
    assert both.client.get(f"{job['links']['restoration']}/image").status_code == 200
    refused = both.client.post(job["links"]["retry"])
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert both.made("GET", job["links"]["restoration"], 200)["job_id"] == again["id"]


def test_a_checkpoint_is_tuned_anew_by_one_job_however_often_it_is_retried(both):
    subject_id = both.subject()
    job = both.album(subject_id)
    both.made("POST", job["links"]["cancel"], 200)
    answers = at_once(4, lambda _: both.client.post(job["links"]["retry"]))
    assert sorted(answer.status_code for answer in answers) == [202, 409, 409, 409]
    [again] = [answer.json() for answer in answers if answer.status_code == 202]
    both.made("POST", again["links"]["cancel"], 200)
    third = both.made("POST", job["links"]["retry"], 202)  # the one before it has ended, so that this one may begin
    pretend_worker.tune(both.database, both.store, third["id"])
    assert both.made("GET", job["links"]["checkpoint"], 200)["status"] == "ready"
    assert both.client.post(again["links"]["retry"]).status_code == 409


def test_a_job_whose_photo_was_deleted_is_not_retried(both):
    file_id = both.file()
    job = both.made("POST", "/v1/restorations", 202, json={"input": {"file_id": file_id}, "mode": "direct"})
    assert both.client.delete(f"/v1/files/{file_id}").status_code == 409
    both.made("POST", job["links"]["cancel"], 200)
    assert both.client.delete(f"/v1/files/{file_id}").status_code == 204
    answer = both.client.post(job["links"]["retry"])
    assert (answer.status_code, answer.json()["advice"]) == (404, "Send the photo again.")


def test_a_photo_that_a_restoration_was_just_asked_for_is_not_deleted_meanwhile(both):
    for _ in range(5):
        file_id = both.file()
        body = {"input": {"file_id": file_id}, "mode": "direct"}

        def act(number, file_id=file_id, body=body):
            if number:
                return both.client.delete(f"/v1/files/{file_id}")
            return both.client.post("/v1/restorations", json=body)

        asked, deleted = at_once(2, act)
        assert (asked.status_code, deleted.status_code) in {(202, 409), (404, 204)}


def test_a_job_for_a_prior_that_is_not_the_service_s_any_more_is_not_retried(both):
    tuning = both.album(both.subject())
    for job in (cancelled_restoration(both), tuning):
        both.made("POST", job["links"]["cancel"], 200)
        with both.database.write() as session:
            row = session.get_one(Job, job["id"])
            row.prior_name, row.prior_sha256 = "another", "f" * 64
        answer = both.client.post(job["links"]["retry"])
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
        assert "another" in answer.json()["detail"]
        assert answer.json()["advice"] in {"Send the photo again.", "Tune the album again."}


def test_the_last_moment_that_there_is_can_be_named_and_none_after_it(both):
    last = "9999-12-31T23:59:59.999999Z"
    assert both.restoration(mode="direct", start_by=last)["start_by"] == last
    body = {"input": {"file_id": both.file()}, "mode": "direct", "start_by": "9999-12-31T23:59:59-12:00"}
    assert both.client.post("/v1/restorations", json=body).status_code == 422

from datetime import UTC, datetime, timedelta

import pytest

from core.db.tables import File, IdempotencyKey, Job, Subject
from core.domain.errors import DiskFullError
from core.services import idempotency
from core.services.album_spool import AlbumSpool
from docs.openapi import document
from tests import pretend_worker
from tests.served import served
from tests.small_photos import photo, zip_of

BODY = {"name": "Tom", "category": "cat"}
KEY = {"Idempotency-Key": "11111111-2222"}


def count(api, table):
    with api.database.read() as session:
        return session.query(table).count()


def test_the_same_request_gets_the_stored_answer_and_is_done_once(api):
    first = api.client.post("/v1/subjects", json=BODY, headers=KEY)
    again = api.client.post("/v1/subjects", json=BODY, headers=KEY)
    assert first.status_code == again.status_code == 201
    assert again.content == first.content
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert count(api, Subject) == 1


def test_another_request_with_the_same_key_is_refused(api):
    api.made("POST", "/v1/subjects", 201, json=BODY, headers=KEY)
    for answer in (
        api.client.post("/v1/subjects", json=BODY | {"name": "Tim"}, headers=KEY),
        api.client.post("/v1/files", files={"file": ("x.png", photo(0))}, headers=KEY),
    ):
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_conflict")
    assert count(api, Subject) == 1
    assert count(api, File) == 0


def test_while_the_first_is_being_answered_the_second_is_told_to_wait(api):
    sha256 = _hash_of_first(api)
    with api.database.write() as session:
        assert idempotency.reserve(session, "own_local", "in-flight", sha256) is None
    answer = api.client.post("/v1/subjects", json=BODY, headers={"Idempotency-Key": "in-flight"})
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_conflict")
    assert answer.json()["retryable"] is True


def _hash_of_first(api):
    api.made("POST", "/v1/subjects", 201, json=BODY, headers=KEY)
    with api.database.read() as session:
        return session.query(IdempotencyKey).one().request_sha256


def test_a_request_that_was_refused_gives_its_key_back(api):
    wrong = BODY | {"category": "person"}
    for _ in range(2):
        assert api.client.post("/v1/subjects", json=wrong, headers=KEY).status_code == 422
    assert count(api, IdempotencyKey) == 0
    api.made("POST", "/v1/subjects", 201, json=BODY, headers=KEY)


def test_a_request_whose_process_died_is_taken_over_in_the_end(api):
    sha256 = _hash_of_first(api)
    with api.database.write() as session:
        idempotency.reserve(session, "own_local", "died", sha256)
        session.get_one(IdempotencyKey, ("own_local", "died")).expires_at = datetime.now(UTC) - timedelta(seconds=1)
    api.made("POST", "/v1/subjects", 201, json=BODY, headers={"Idempotency-Key": "died"})


def test_an_answer_is_kept_for_a_day(api):
    api.made("POST", "/v1/subjects", 201, json=BODY, headers=KEY)
    with api.database.write() as session:
        row = session.query(IdempotencyKey).one()
        assert timedelta(hours=23) < row.expires_at - row.created_at <= timedelta(hours=24, seconds=5)
        row.expires_at = datetime.now(UTC) - timedelta(seconds=1)
    api.made("POST", "/v1/subjects", 201, json=BODY | {"name": "Tim"}, headers=KEY)
    assert count(api, Subject) == 2


def test_keys_of_two_owners_have_nothing_to_do_with_each_other(keyed):
    for owner in ("Ada", "Eve"):
        made = keyed.client.post("/v1/subjects", json=BODY, headers=KEY | keyed.key(owner))
        assert "idempotency-replayed" not in made.headers
    assert count(keyed, Subject) == 2


@pytest.mark.parametrize("key", ["", " ", "a b", "ä".encode("latin-1"), "x" * 256, "a\tb"])
def test_what_cannot_be_a_key_is_refused(api, key):
    answer = api.client.post("/v1/subjects", json=BODY, headers={"Idempotency-Key": key})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


def test_a_form_is_the_same_by_its_parts_not_by_its_boundary(api):
    def send(content, name="x.png"):
        return api.client.post("/v1/files", files={"file": (name, content)}, headers=KEY)

    first, again = send(photo(1)), send(photo(1))
    assert first.request.headers["content-type"] != again.request.headers["content-type"]
    assert (again.status_code, again.content) == (201, first.content)
    assert send(photo(2)).status_code == 422
    assert send(photo(1), "y.png").status_code == 422
    assert count(api, File) == 1


def test_every_post_is_done_once(api):
    """By the OpenAPI document: one that is added is asked for here."""
    subject_id, _ = api.tuned()
    file_id, restoration_id = api.file(), api.restored(candidates=2)
    batch_id = api.made("POST", "/v1/batches", 202, json={"file_ids": [file_id], "mode": "direct"})["id"]
    endpoint_id, delivery_id = api.delivered()
    failed, running = (api.restoration(mode="direct")["id"] for _ in range(2))
    pretend_worker.fail(api.database, failed)
    pretend_worker.claim(api.database, running)
    requests = {
        "/v1/files": {"files": {"file": ("x.png", photo(3))}},
        "/v1/subjects": {"json": BODY},
        "/v1/subjects/{subject_id}/album": {"files": {"file": ("a.zip", zip_of(range(6)))}},
        "/v1/subjects/{subject_id}/checkpoints": {"json": {"seed": 9}},
        "/v1/restorations": {"json": {"input": {"file_id": file_id}, "mode": "direct"}},
        "/v1/restorations/{restoration_id}/faces/{face}/selection": {"json": {"candidate": 1}},
        "/v1/batches": {"json": {"file_ids": [file_id], "mode": "direct"}},
        "/v1/batches/{batch_id}/cancel": {},
        "/v1/jobs/{job_id}/cancel": {},
        "/v1/jobs/{job_id}/retry": {},
        "/v1/webhook-endpoints": {"json": {"url": "https://other.example.org/"}},
        "/v1/webhook-endpoints/{endpoint_id}/deliveries/{delivery_id}/replay": {},
        "/v1/webhook-endpoints/{endpoint_id}/secret": {},
    }
    changing_nothing = {"/v1/faces/detect"}
    posts = {path for path, methods in document()["paths"].items() if "post" in methods}
    assert set(requests) == posts - changing_nothing
    for path, options in requests.items():
        job_id = running if "cancel" in path else failed
        ids = {"subject_id": subject_id, "restoration_id": restoration_id, "face": 0, "job_id": job_id}
        ids |= {"batch_id": batch_id, "endpoint_id": endpoint_id, "delivery_id": delivery_id}
        headers = {"Idempotency-Key": path}
        first = api.client.post(path.format(**ids), headers=headers, **options)
        jobs, rings = count(api, Job), api.doorbell.rings
        again = api.client.post(path.format(**ids), headers=headers, **options)
        assert first.is_success, first.text
        assert (again.status_code, again.content) == (first.status_code, first.content), path
        assert again.headers["idempotency-replayed"] == "true"
        assert (count(api, Job), api.doorbell.rings) == (jobs, rings)


def posted(api, path, headers=KEY, **options):
    answer = api.client.post(path, headers=headers, **options)
    return answer.status_code, answer.json().get("code", answer.json().get("id"))


@pytest.mark.parametrize("form", [False, True])
@pytest.mark.parametrize("settings", [{"max_open_jobs_per_owner": 1}, {"max_queued_jobs": 1}])
def test_a_repetition_needs_no_room_in_the_queue(sqlite_database, tmp_path, settings, form):
    with served(sqlite_database, tmp_path, **settings) as api:
        body = {"input": {"file_id": api.file()}, "mode": "direct"}
        sent, other = {"json": body}, {"json": body | {"seed": 5}}
        if form:
            sent, other = ({"files": {"file": ("x.png", photo(n))}, "data": {"mode": "direct"}} for n in range(2))
        first = posted(api, "/v1/restorations", **sent)
        kept = set(api.store.refs())
        assert first[0] == 202
        assert posted(api, "/v1/restorations", **sent) == first
        assert posted(api, "/v1/restorations", **other) == (422, "idempotency_conflict")
        assert posted(api, "/v1/restorations", headers={"Idempotency-Key": "another"}, **sent)[0] in (429, 503)
        assert set(api.store.refs()) == kept


def test_a_repetition_needs_no_disk_space(api, monkeypatch):
    path, sent = f"/v1/subjects/{api.subject()}/album", {"files": {"file": ("a.zip", zip_of(range(3)))}}
    first = posted(api, path, **sent)
    service = api.client.app.state.service

    def full(*_, **__):
        raise DiskFullError("The disk is full.", "Tell its operator.")

    monkeypatch.setattr(service, "check_disk", full)
    monkeypatch.setattr(AlbumSpool, "write", full)
    assert posted(api, path, **sent) == first
    assert posted(api, path, headers={}, **sent) == (507, "disk_full")


def test_where_the_first_came_to_nothing_meanwhile_a_repetition_needs_room_like_any(
    sqlite_database, tmp_path, monkeypatch
):
    with served(sqlite_database, tmp_path, max_open_jobs_per_owner=1) as api:
        api.restoration(mode="direct")
        monkeypatch.setattr(idempotency, "is_known", lambda *_: True)  # a moment ago
        files = {"files": {"file": ("x.png", photo(0))}, "data": {"mode": "direct"}}
        for sent in (files, {"json": {"input": {"file_id": api.file()}, "mode": "direct"}}):
            assert posted(api, "/v1/restorations", **sent) == (429, "quota_exceeded")
        assert (count(api, Job), count(api, IdempotencyKey)) == (1, 0)

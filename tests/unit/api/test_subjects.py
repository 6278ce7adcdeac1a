import pytest

from core.db.session import now_of
from core.db.tables import AlbumPhoto, Blob, CandidateRow, Checkpoint, Job, Restoration, StageOutput, Subject
from core.storage.base import write_blob
from tests import pretend_worker
from tests.served import CONSENT


def test_a_person_needs_consent_and_an_animal_none(api):
    answer = api.client.post("/v1/subjects", json={"name": "Ada", "category": "person"})
    assert (answer.status_code, answer.json()["code"]) == (422, "consent_missing")
    assert answer.json()["errors"][0]["pointer"] == "/consent"
    for category in ("cat", "dog", "other"):
        api.made("POST", "/v1/subjects", 201, json={"name": "Tom", "category": category})


def test_the_consent_says_who_agreed_when_and_to_what(api):
    body = {
        "name": "Ada",
        "category": "person",
        "consent": {"given_by": "Ada", "given_at": "2026-01-02T03:04:05+01:00"},
    }
    made = api.made("POST", "/v1/subjects", 201, json=body)
    assert made["consent"]["given_by"] == "Ada"
    assert made["consent"]["given_at"] == "2026-01-02T02:04:05.000000Z"
    assert "tuned" in made["consent"]["statement"]
    now = api.made("POST", "/v1/subjects", 201, json=body | {"consent": CONSENT})
    assert now["consent"]["given_at"] == now["created_at"]


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01"])
def test_a_consent_given_at_no_moment_of_utc_is_refused(api, moment):
    consent = CONSENT | {"given_at": moment}
    answer = api.client.post("/v1/subjects", json={"name": "Ada", "category": "person", "consent": consent})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/consent/given_at")


def test_a_consent_of_long_ago_keeps_its_year(api):
    consent = CONSENT | {"given_at": "0044-03-15T12:00:00Z"}
    body = {"name": "Gaius", "category": "person", "consent": consent}
    assert api.made("POST", "/v1/subjects", 201, json=body)["consent"]["given_at"] == "0044-03-15T12:00:00.000000Z"


def test_a_subject_is_found_again_and_listed(api):
    made = [api.subject(name) for name in ("Ada", "Bob")]
    assert api.made("GET", f"/v1/subjects/{made[0]}", 200)["name"] == "Ada"
    listed = api.made("GET", "/v1/subjects", 200)
    assert {subject["id"] for subject in listed["data"]} == set(made)
    assert listed["next_cursor"] is None


def test_what_is_given_is_changed_and_the_rest_left(api):
    subject_id = api.subject("Ada")
    changed = api.made("PATCH", f"/v1/subjects/{subject_id}", 200, json={"name": "Ada L."})
    assert (changed["name"], changed["category"]) == ("Ada L.", "person")
    assert changed["consent"]["given_by"] == "Ada"
    assert changed["updated_at"] > changed["created_at"]


def test_an_animal_becomes_a_person_only_with_consent(api):
    cat = api.made("POST", "/v1/subjects", 201, json={"name": "Tom", "category": "cat"})["links"]["self"]
    answer = api.client.patch(cat, json={"category": "person"})
    assert (answer.status_code, answer.json()["code"]) == (422, "consent_missing")
    assert api.made("PATCH", cat, 200, json={"category": "person", "consent": CONSENT})["category"] == "person"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "", "category": "cat"},
        {"name": "   ", "category": "cat"},
        {"name": "a\x00b", "category": "cat"},
        {"name": "x" * 201, "category": "cat"},
        {"name": "Tom", "category": "tiger"},
        {"name": "Tom", "category": "cat", "owner_id": "own_other"},
        {"name": "Tom", "category": "cat", "consent": {"given_by": "x", "given_at": "2026-01-01T00:00:00"}},
        {"name": 7, "category": "cat"},
        [],
        "Tom",
    ],
)
def test_what_is_not_as_documented_is_refused_with_a_pointer(api, body):
    answer = api.client.post("/v1/subjects", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert answer.json()["errors"]


def test_a_change_of_nothing_is_refused(api):
    assert api.client.patch(f"/v1/subjects/{api.subject()}", json={}).status_code == 422


def everything(session, table):
    return session.query(table).all()


def test_a_deleted_subject_is_gone_with_everything_that_was_made_of_it(api):
    subject_id, _ = api.tuned()
    job = api.restoration(subject_id=subject_id)
    pretend_worker.restore(api.database, api.store, job["id"])
    waiting = api.restoration(subject_id=subject_id)
    running = api.restoration(subject_id=subject_id)
    pretend_worker.claim(api.database, running["id"])
    other = api.restored()
    with api.database.write() as session:
        ref = write_blob(api.store, "own_local", b"a crop")
        names = {"owner_id": "own_local", "attempt": 1, "created_at": now_of(session)}
        session.add(
            StageOutput(
                job_id=running["id"],
                stage="align",
                item="photo-0",
                input_hash="0" * 64,
                blob_sha256=ref.sha256,
                size_bytes=ref.size_bytes,
                **names,
            )
        )
    receipt = api.made("DELETE", f"/v1/subjects/{subject_id}", 200)
    assert receipt["subject_id"] == subject_id
    counted = {"album_photos": 4, "checkpoints": 1, "restorations": 3, "files": 0, "jobs_cancelled": 2}
    assert receipt["removed"] == counted
    for path in (
        f"/v1/subjects/{subject_id}",
        f"/v1/subjects/{subject_id}/album",
        f"/v1/subjects/{subject_id}/checkpoints",
        f"/v1/restorations/{job['restoration_id']}",
        f"/v1/restorations/{job['restoration_id']}/image",
    ):
        assert api.client.get(path).status_code == 404
    assert api.client.delete(f"/v1/subjects/{subject_id}").status_code == 404
    assert api.made("GET", f"/v1/jobs/{waiting['id']}", 200)["status"] == "cancelled"
    assert api.made("GET", f"/v1/jobs/{running['id']}", 200)["cancel_requested"] is True
    with api.database.read() as session:
        assert [everything(session, table) for table in (AlbumPhoto, Checkpoint, StageOutput)] == [[], [], []]
        assert [row.id for row in everything(session, Restoration)] == [other]
        assert {row.restoration_id for row in everything(session, CandidateRow)} == {other}
        tombstone = session.get_one(Subject, subject_id)
        assert (tombstone.name, tombstone.consent) == ("", None)
        assert tombstone.deleted_at is not None
        assert session.get_one(Job, job["id"]).status == "succeeded"
        assert session.query(Blob).count()  # swept later; the files that were uploaded stay


def test_a_deleted_subject_is_not_tuned_and_not_restored_with(api):
    subject_id, checkpoint_id = api.tuned()
    failed = api.restoration(subject_id=subject_id)["id"]
    pretend_worker.fail(api.database, failed)
    api.made("DELETE", f"/v1/subjects/{subject_id}", 200)
    file_id = api.file()
    for body in ({"subject_id": subject_id}, {"checkpoint_id": checkpoint_id}):
        answer = api.client.post("/v1/restorations", json={"input": {"file_id": file_id}, **body})
        assert answer.status_code == 404
    assert api.client.post(f"/v1/subjects/{subject_id}/checkpoints", json={}).status_code == 404
    assert api.client.post(f"/v1/jobs/{failed}/retry").status_code == 404

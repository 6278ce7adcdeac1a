"""What is asked of single faces: who they are, whether they stay, and what contradicts itself."""

import pytest

from core.db.tables import Job, RestorationCheckpoint
from core.imaging.original import heic
from tests import pretend_worker

PATH = "/v1/restorations"
NOBODY = "sub_" + "0" * 26
NO_CHECKPOINT = "ckp_" + "0" * 26
BOX = [10, 20, 110, 140]


def row_of(api, job):
    with api.database.read() as session:
        return session.get_one(Job, job["id"])


def refused(api, body):
    answer = api.client.post(PATH, json={"input": {"file_id": api.file()}, **body})
    assert 400 <= answer.status_code < 500, answer.text
    return answer.status_code, [error["pointer"] for error in answer.json()["errors"]]


def test_every_face_of_a_group_photo_can_have_its_own_person_and_some_can_stay_as_they_are(api):
    (ada, first), (bob, second) = api.tuned(), api.tuned()
    faces = [
        {"index": 0, "subject_id": ada},
        {"box": BOX, "checkpoint_id": second},
        {"eyes": [[1, 2], [3.5, 2]], "action": "keep"},
        {"index": 3},
    ]
    job = api.restoration(faces=faces, candidates=2)
    row = row_of(api, job)
    wishes = row.options["faces"]
    assert [wish["checkpoint_id"] for wish in wishes] == [first, second, None, None]
    assert [wish["action"] for wish in wishes] == ["restore", "restore", "keep", "restore"]
    assert (wishes[1]["box"], wishes[2]["eyes"]) == (BOX, [[1, 2], [3.5, 2]])
    assert job["recipe"]["mode"] == "generative"  # of the one that names nobody
    assert row.options["personal_recipe"]["name"] == "quick-personal"
    assert row.options["subject_ids"] == sorted([ada, bob])
    assert (row.subject_id, row.checkpoint_id, row.batch_key) == (None, None, None)
    alone = row_of(api, api.restoration(mode="generative", candidates=2)).cost_forwards
    assert row.cost_forwards == alone + 2 * 2 * 20
    for subject_id in (ada, bob):
        assert [one["id"] for one in api.made("GET", f"/v1/jobs?subject={subject_id}&kind=restoration", 200)["data"]]
        listed = api.made("GET", f"{PATH}?subject={subject_id}", 200)["data"]
        assert [one["id"] for one in listed] == [job["restoration_id"]]


def test_a_personal_recipe_is_for_the_faces_that_name_somebody(api):
    subject_id, _ = api.tuned()
    job = api.restoration(faces=[{"index": 0, "subject_id": subject_id}], recipe="paper-personal", noise_steps=90)
    assert job["recipe"]["name"] == "quick-generative"
    personal = row_of(api, job).options["personal_recipe"]
    assert (personal["name"], personal["restore"]["noise_steps"]) == ("paper-personal", 90)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"faces": "everybody"}, "/faces"),
        ({"faces": [{}]}, "/faces/0"),
        ({"faces": [{"index": 0, "box": BOX}]}, "/faces/0"),
        ({"faces": [{"index": 0}, {"index": 1}, {"index": 0}]}, "/faces/2"),
        ({"faces": [{"box": BOX}, {"box": BOX}]}, "/faces/1"),
        ({"faces": [{"eyes": [[1, 2], [3, 4]]}, {"eyes": [[3, 4], [1, 2]]}]}, "/faces/1"),
        ({"faces": [{"index": -1}]}, "/faces/0/index"),
        ({"faces": [{"index": 0}, {"box": [1, 2, 3]}]}, "/faces/1/box"),
        ({"faces": [{"box": [9, 9, 3, 3]}]}, "/faces/0/box"),
        ({"faces": [{"eyes": [[1, 2], [1, 2]]}]}, "/faces/0/eyes"),
        ({"faces": [{"index": 0, "subject_id": NOBODY, "checkpoint_id": NO_CHECKPOINT}]}, "/faces/0/checkpoint_id"),
        ({"faces": [{"index": 0, "subject_id": NOBODY, "action": "keep"}]}, "/faces/0/subject_id"),
        ({"faces": [{"index": 0, "subject_id": NOBODY}], "mode": "direct"}, "/faces/0/subject_id"),
        ({"faces": [{"index": 0, "action": "burn"}]}, "/faces/0/action"),
        ({"faces": [{"box": BOX}], "aligned": True}, "/faces/0/box"),
        ({"faces": [{"index": 1}], "aligned": True}, "/faces/0/index"),
        ({"faces": [{"index": 0}], "category": "cat"}, "/faces/0/index"),
        ({"faces": "auto", "category": "dog"}, "/faces"),
        ({"faces": "auto", "mode": "direct"}, "/faces"),
        ({"faces": [{"index": 0}], "mode": "personal"}, "/subject_id"),
    ],
)
def test_what_contradicts_itself_is_pointed_at(api, body, pointer):
    status, pointers = refused(api, body)
    assert status == 422
    assert pointer in pointers


def test_whoever_is_not_there_is_not_found_whichever_face_names_them(api):
    for name, unknown in (("subject_id", NOBODY), ("checkpoint_id", NO_CHECKPOINT)):
        faces = [{"index": 0, "action": "keep"}, {"index": 1, name: unknown}]
        assert refused(api, {"faces": faces}) == (404, [f"/faces/1/{name}"])


def test_a_subject_for_the_whole_photo_and_recognising_everybody_exclude_each_other(api):
    subject_id, _ = api.tuned()
    assert refused(api, {"faces": "auto", "subject_id": subject_id}) == (422, ["/faces"])


def test_faces_are_of_one_category(api):
    subject_id, _ = api.tuned()
    body = {"faces": [{"box": BOX, "subject_id": subject_id}], "category": "cat"}
    assert refused(api, body) == (422, ["/faces/0/subject_id"])
    assert row_of(api, api.restoration(faces=[{"box": BOX}], category="cat")).options["category"] == "cat"


def test_a_subject_without_a_checkpoint_is_refused_by_its_face(api):
    body = {"faces": [{"index": 0, "subject_id": api.subject()}]}
    assert refused(api, body) == (409, ["/faces/0/subject_id"])


def test_heic_is_refused_where_nobody_can_write_it(api, monkeypatch):
    monkeypatch.setattr(heic, "available", lambda: False)
    assert refused(api, {"output": {"format": "heic"}}) == (415, ["/output/format"])
    monkeypatch.setattr(heic, "available", lambda: True)
    api.restoration(output={"format": "heic"})


def test_a_group_photo_waits_until_every_checkpoint_is_there_and_runs_then(api):
    subjects = [api.subject(), api.subject()]
    tunings = [api.album(subject_id) for subject_id in subjects]
    job = api.restoration(faces=[{"index": n, "subject_id": subject_id} for n, subject_id in enumerate(subjects)])
    first, second = sorted(tunings, key=lambda tuning: tuning["id"])
    assert job["waits_for_job_id"] == first["id"]
    pretend_worker.tune(api.database, api.store, first["id"])
    assert row_of(api, job).waits_for_job_id == second["id"]
    pretend_worker.tune(api.database, api.store, second["id"])
    assert row_of(api, job).waits_for_job_id == second["id"]  # which has succeeded: it can be claimed
    pretend_worker.restore(api.database, api.store, job["id"])


def test_a_group_photo_does_not_wait_again_for_what_was_made_in_the_other_order(api):
    subjects = [api.subject(), api.subject()]
    tunings = [api.album(subject_id) for subject_id in subjects]
    job = api.restoration(faces=[{"index": n, "subject_id": subject_id} for n, subject_id in enumerate(subjects)])
    for tuning in sorted(tunings, key=lambda tuning: tuning["id"], reverse=True):
        pretend_worker.tune(api.database, api.store, tuning["id"])
    assert row_of(api, job).waits_for_job_id == min(tuning["id"] for tuning in tunings)


def test_with_a_subject_every_group_photo_goes_that_was_made_with_it(api):
    (ada, _), (bob, checkpoint_id) = api.tuned(), api.tuned()
    faces = [{"index": 0, "subject_id": ada}, {"index": 1, "subject_id": bob}]
    done, waiting = api.restoration(faces=faces), api.restoration(faces=faces)
    alone = api.restoration(subject_id=ada)
    pretend_worker.restore(api.database, api.store, done["id"])
    in_use = api.client.delete(f"/v1/subjects/{bob}/checkpoints/{checkpoint_id}")
    assert in_use.status_code == 409
    receipt = api.made("DELETE", f"/v1/subjects/{bob}", 200)
    assert receipt["removed"]["restorations"] == 2
    assert api.made("GET", f"/v1/jobs/{waiting['id']}", 200)["status"] == "cancelled"
    for job in (done, waiting):
        assert api.client.get(job["links"]["restoration"]).status_code == 404
    assert api.made("GET", alone["links"]["restoration"], 200)["status"] == "queued"
    with api.database.read() as session:
        assert {row.subject_id for row in session.query(RestorationCheckpoint)} == {ada}


def test_a_group_photo_is_retried_with_whoever_is_still_there(api):
    (ada, checkpoint_id), (bob, _) = api.tuned(), api.tuned()
    faces = [{"index": 0, "subject_id": ada}, {"index": 1, "subject_id": bob}]
    job = api.restoration(faces=faces)
    pretend_worker.fail(api.database, job["id"])
    again = api.made("POST", job["links"]["retry"], 202)
    assert row_of(api, again).options["faces"] == row_of(api, job).options["faces"]
    pretend_worker.fail(api.database, again["id"])
    assert api.client.delete(f"/v1/subjects/{ada}/checkpoints/{checkpoint_id}").status_code == 204
    answer = api.client.post(again["links"]["retry"])
    assert (answer.status_code, answer.json()["advice"]) == (404, "Send the photo again.")

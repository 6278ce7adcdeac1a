from datetime import UTC, datetime, timedelta

import pytest

from core.db.tables import File, Job, Restoration
from core.recipes.presets import PRESETS
from tests import pretend_worker
from tests.small_photos import photo, zip_of

PATH = "/v1/restorations"
PLAIN = {
    "aligned": False,
    "candidates": 1,
    "category": "person",
    "colour": "preserve",
    "faces": None,
    "format": None,
    "keep_metadata": "all",
    "layers": False,
    "native": False,
    "subject_ids": [],
}
"""What a worker is told of a request that says nothing."""


def row_of(api, job):
    with api.database.read() as session:
        return session.get_one(Job, job["id"])


@pytest.mark.parametrize("mode", ["generative", "direct", "auto"])
def test_a_photo_is_restored_without_an_album(api, mode):
    job = api.restoration(mode=mode)
    wanted = "generative" if mode == "auto" else mode
    assert (job["kind"], job["status"], job["recipe"]["name"]) == ("restoration", "queued", f"quick-{wanted}")
    assert job["subject_id"] is None
    found = api.made("GET", job["links"]["restoration"], 200)
    assert (found["mode"], found["status"], found["faces"]) == (wanted, "queued", [])
    assert found["links"]["image"] is None
    assert api.doorbell.rings == 1


def test_what_a_worker_is_told_is_what_was_asked(api):
    subject_id, checkpoint_id = api.tuned()
    job = api.restoration(
        subject_id=subject_id,
        noise_steps=150,
        candidates=3,
        seed=7,
        aligned=True,
        output={"format": "webp", "native": True},
    )
    row = row_of(api, job)
    assert row.options == PLAIN | {
        "aligned": True,
        "native": True,
        "candidates": 3,
        "format": "webp",
        "subject_ids": [subject_id],
    }
    assert (row.subject_id, row.checkpoint_id, row.seed) == (subject_id, checkpoint_id, 7)
    assert row.recipe["restore"]["noise_steps"] == 150
    assert row.cost_forwards == 3 * 20  # DPM-Solver's calls; the tuning was paid by another job
    assert row.waits_for_job_id is None


def test_photos_that_share_a_load_and_a_batch_carry_the_same_key_and_others_not(api):
    subject_id, _ = api.tuned()
    alike = [row_of(api, api.restoration(subject_id=subject_id, seed=seed)).batch_key for seed in (1, 2)]
    assert alike[0] is not None
    assert alike[0] == alike[1]
    others = [{"noise_steps": 99}, {"candidates": 2}, {"output": {"native": True}}, {"colour": "free"}]
    keys = {row_of(api, api.restoration(subject_id=subject_id, **body)).batch_key for body in others}
    keys.add(row_of(api, api.restoration(mode="direct")).batch_key)
    assert len(keys | {alike[0]}) == 6
    assert row_of(api, api.restoration(mode="generative")).batch_key is None


def test_a_photo_that_comes_along_is_restored_in_one_call(api):
    fields = {"mode": "direct", "noise_steps": "99", "candidates": "2", "aligned": "true", "format": "jpeg"}
    job = api.made("POST", PATH, 202, files={"file": ("old.png", photo(1))}, data=fields)
    row = row_of(api, job)
    assert row.options == PLAIN | {"aligned": True, "candidates": 2, "format": "jpeg"}
    found = api.made("GET", job["links"]["restoration"], 200)
    assert api.client.get(f"/v1/files/{found['file_id']}/content").content == photo(1)


@pytest.mark.parametrize(("fidelity", "steps"), [(1, 50), (0, 400), (0.5, 225), ("auto", 106)])
def test_fidelity_is_a_dial_over_k(api, fidelity, steps):
    job = api.restoration(mode="direct", fidelity=fidelity)
    assert job["recipe"]["restore"]["noise_steps"] == steps
    form = {"mode": "direct", "fidelity": str(fidelity)}
    job = api.made("POST", PATH, 202, files={"file": ("x.png", photo(0))}, data=form)
    assert job["recipe"]["restore"]["noise_steps"] == steps


def test_k_by_the_photo_is_for_each_face_and_refused_where_the_prior_cannot_choose_it(api, monkeypatch):
    assert api.restoration(mode="direct", fidelity="auto")["recipe"]["restore"]["by_photo"]
    monkeypatch.setattr("api.service.is_calibrated", lambda *_: False)
    monkeypatch.setattr(api.client.app.state.service, "_offer", None)  # as a service that is started anew
    answer = api.client.post(PATH, json={"input": {"file_id": api.file()}, "mode": "direct", "fidelity": "auto"})
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "prior_uncalibrated")
    assert "heirloom models calibrate" in problem["advice"]
    assert problem["errors"] == [{"pointer": "/fidelity", "detail": problem["detail"]}]


def test_k_is_refused_outside_the_prior_s_schedule_with_the_range_and_a_pointer(api):
    file_id = api.file()
    answer = api.client.post(PATH, json={"input": {"file_id": file_id}, "noise_steps": 5000})
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "invalid_recipe")
    assert "at least 1 and at most 1000" in problem["detail"]
    assert problem["errors"] == [{"pointer": "/noise_steps", "detail": problem["detail"]}]
    assert problem["advice"]
    for steps in (1, 1000):
        api.made("POST", PATH, 202, json={"input": {"file_id": file_id}, "mode": "direct", "noise_steps": steps})


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"noise_steps": 0}, "/noise_steps"),
        ({"noise_steps": "9"}, "/noise_steps"),
        ({"noise_steps": 99, "fidelity": 0.5}, "/fidelity"),
        ({"fidelity": 1.5}, "/fidelity"),
        ({"candidates": 9}, "/candidates"),
        ({"candidates": 0}, "/candidates"),
        ({"seed": -1}, "/seed"),
        ({"mode": "magic"}, "/mode"),
        ({"mode": "personal"}, "/subject_id"),
        ({"mode": "direct", "subject_id": "sub_" + "0" * 26}, "/subject_id"),
        ({"mode": "direct", "checkpoint_id": "ckp_" + "0" * 26}, "/checkpoint_id"),
        ({"subject_id": "nonsense"}, "/subject_id"),
        ({"recipe": "nonsense"}, "/recipe"),
        ({"recipe": "quick-direct"}, "/recipe"),
        ({"output": {"format": "gif"}}, "/output/format"),
        ({"output": {"layers": "yes"}}, "/output/layers"),
        ({"output": {"keep_metadata": "some"}}, "/output/keep_metadata"),
        ({"colour": "purple"}, "/colour"),
        ({"faces": []}, "/faces"),
        ({"start_by": "2020-01-01T00:00:00Z"}, "/start_by"),
        ({"start_by": "2099-01-01T00:00:00"}, "/start_by"),
        ({"start_by": "9999-12-31T23:59:59-12:00"}, "/start_by"),
        ({"input": {}}, "/input/file_id"),
        ({"input": {"file_id": "/etc/passwd"}}, "/input/file_id"),
    ],
)
def test_what_is_wrong_is_pointed_at(api, body, pointer):
    answer = api.client.post(PATH, json={"input": {"file_id": api.file()}, **body})
    assert answer.status_code == 422, answer.text
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]


@pytest.mark.parametrize(
    ("fields", "content", "code"),
    [
        ({"noise_steps": "5000"}, photo(1), "invalid_recipe"),
        ({"subject_id": "sub_" + "0" * 26}, photo(1), "not_found"),
        ({"mode": "personal"}, photo(1), "invalid_request"),
        ({"colour": "purple"}, photo(1), "invalid_request"),
        ({"faces": '[{"index": 0}, {"index": 0}]'}, photo(1), "invalid_request"),
        ({}, b"GIF89a and more bytes", "unsupported_format"),
        ({}, zip_of(range(3)), "unsupported_format"),
        ({}, b"", "image_unreadable"),
    ],
)
def test_a_refused_photo_leaves_nothing_behind(api, fields, content, code):
    answer = api.client.post(PATH, files={"file": ("x.png", content)}, data=fields)
    assert 400 <= answer.status_code < 500
    assert answer.json()["code"] == code, answer.text
    assert list(api.store.refs()) == []
    with api.database.read() as session:
        assert [session.query(table).count() for table in (File, Job, Restoration)] == [0, 0, 0]


def test_an_unknown_file_is_not_found_and_a_zip_is_no_photo(api):
    answer = api.client.post(PATH, json={"input": {"file_id": "fil_" + "0" * 26}})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (404, "/input/file_id")
    zip_id = api.made("PUT", "/v1/files", 201, content=zip_of(range(3)))["id"]
    answer = api.client.post(PATH, json={"input": {"file_id": zip_id}})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_format")


def test_a_form_without_a_photo_is_refused(api):
    answer = api.client.post(PATH, files={"mode": (None, "direct")})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/file")


def test_a_photo_waits_for_the_checkpoint_that_is_being_made(api):
    subject_id = api.subject()
    tuning = api.album(subject_id)
    job = api.restoration(subject_id=subject_id)
    assert job["waits_for_job_id"] == tuning["id"]
    assert job["checkpoint_id"] == tuning["checkpoint_id"]
    named = api.restoration(checkpoint_id=tuning["checkpoint_id"])
    assert (named["waits_for_job_id"], named["subject_id"]) == (tuning["id"], subject_id)


@pytest.mark.parametrize("prepare", ["no album", "only looked at", "tuning failed", "tuning cancelled"])
def test_without_a_checkpoint_and_none_in_the_making_the_personal_mode_is_refused(api, prepare):
    subject_id = api.subject()
    if prepare == "only looked at":
        api.album(subject_id, tune="false")
    elif prepare != "no album":
        job = api.album(subject_id)
        if prepare == "tuning failed":
            pretend_worker.fail(api.database, job["id"])
        else:
            api.made("POST", f"/v1/jobs/{job['id']}/cancel", 200)
    answer = api.client.post(PATH, json={"input": {"file_id": api.file()}, "subject_id": subject_id})
    assert (answer.status_code, answer.json()["code"]) == (409, "checkpoint_not_ready")
    assert answer.json()["advice"]


def test_a_default_that_is_ready_is_used_while_another_is_being_made(api):
    subject_id, checkpoint_id = api.tuned()
    api.album(subject_id, range(6))
    job = api.restoration(subject_id=subject_id)
    assert (job["checkpoint_id"], job["waits_for_job_id"]) == (checkpoint_id, None)


def test_the_best_candidate_is_the_image_and_every_other_can_be_fetched(api):
    restoration_id = api.restored(candidates=3)
    found = api.made("GET", f"{PATH}/{restoration_id}", 200)
    face = found["faces"][0]
    assert (found["status"], face["selected"], face["error"]) == ("succeeded", 0, None)
    assert [candidate["number"] for candidate in face["candidates"]] == [0, 1, 2]
    scores = [candidate["scores"]["identity_to_photo"] for candidate in face["candidates"]]
    assert scores == sorted(scores, reverse=True)
    image = api.client.get(f"{PATH}/{restoration_id}/image")
    assert image.content == photo(901)
    assert image.headers["content-type"] == "image/png"
    assert image.headers["content-disposition"].endswith(f"{restoration_id}.png")
    for number, candidate in enumerate(face["candidates"]):
        assert api.client.get(candidate["image"]).content == photo(901 + number)
    assert api.client.get(face["original"]).content == photo(900)
    original = api.client.get(face["original"]).headers["content-disposition"]
    assert original.endswith(f"{restoration_id}-face-0-original.png")


PICTURES = [
    ("face=0&candidate=7", 404),
    ("face=0&candidate=best", 422),
    ("face=3", 404),
    ("face=0&layer=mask", 404),
    ("face=0&layer=paint", 422),
    ("face=0&layer=mask&candidate=0", 422),
    ("candidate=0", 422),
    ("layer=mask", 422),
]


@pytest.mark.parametrize(("query", "status"), PICTURES)
def test_a_picture_that_is_not_there_is_not_found(api, query, status):
    assert api.client.get(f"{PATH}/{api.restored()}/image?{query}").status_code == status


def test_there_is_no_image_before_the_job_has_succeeded_nor_where_it_failed(api):
    job = api.restoration(mode="direct")
    path = f"{PATH}/{job['restoration_id']}"
    assert api.client.get(f"{path}/image").json()["code"] == "conflict"
    pretend_worker.fail(api.database, job["id"])
    assert api.client.get(f"{path}/image").status_code == 409
    found = api.made("GET", path, 200)
    assert found["status"] == "failed"
    assert found["error"]["code"] == "image_unreadable"
    assert found["error"]["title"] == "Image unreadable"


def test_a_photo_without_a_face_succeeds_with_a_warning_and_without_an_image(api):
    job = api.restoration(mode="direct")
    pretend_worker.restore(api.database, api.store, job["id"], faces=False)
    path = f"{PATH}/{job['restoration_id']}"
    found = api.made("GET", path, 200)
    assert (found["status"], found["faces"], found["links"]["image"]) == ("succeeded", [], None)
    assert [warning["code"] for warning in found["warnings"]] == ["no_face_detected"]
    answer = api.client.get(f"{path}/image")
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert api.client.post(f"{path}/faces/0/selection", json={"candidate": "original"}).status_code == 409


def test_a_face_that_failed_says_why(api):
    restoration_id = api.restored()
    error = {"code": "face_too_small", "detail": "It is small.", "advice": "A larger one.", "retryable": False}
    with api.database.write() as session:
        row = session.get_one(Restoration, restoration_id)
        row.faces = [{"n": 0, "verdict": "too_small", "error": error, "selected": None}]
        row.image_sha256 = None  # which is what is stored where nothing was made
    found = api.made("GET", f"{PATH}/{restoration_id}", 200)
    assert found["faces"][0]["error"]["code"] == "face_too_small"
    assert found["faces"][0]["selected"] is None
    assert (found["image"], found["links"]["image"]) == (None, None)
    for query in ("", "?face=0"):
        assert api.client.get(f"{PATH}/{restoration_id}/image{query}").status_code == 409


def test_a_deleted_restoration_is_gone_with_its_results_and_its_job_is_stopped(api):
    done = api.restored()
    job = api.restoration(mode="direct")
    for restoration_id in (done, job["restoration_id"]):
        assert api.client.delete(f"{PATH}/{restoration_id}").status_code == 204
        assert api.client.get(f"{PATH}/{restoration_id}").status_code == 404
        assert api.client.get(f"{PATH}/{restoration_id}/image").status_code == 404
    assert api.made("GET", f"/v1/jobs/{job['id']}", 200)["status"] == "cancelled"


def test_restorations_are_listed_newest_first_and_by_subject(api):
    subject_id, _ = api.tuned()
    mine = api.restoration(subject_id=subject_id)["restoration_id"]
    api.restored()
    assert len(api.made("GET", PATH, 200)["data"]) == 2
    assert [row["id"] for row in api.made("GET", f"{PATH}?subject={subject_id}", 200)["data"]] == [mine]


def test_a_job_may_say_by_when_it_is_wanted(api):
    moment = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    job = api.restoration(mode="direct", start_by=moment)
    assert datetime.fromisoformat(job["start_by"]) == datetime.fromisoformat(moment)


def test_the_recipes_that_are_offered_are_those_that_can_be_named(api):
    listed = api.made("GET", "/v1/recipes", 200)["data"]
    assert [recipe["name"] for recipe in listed] == list(PRESETS)
    for recipe in listed:
        if recipe["mode"] != "personal":
            api.restoration(mode=recipe["mode"], recipe=recipe["name"])
    assert {recipe["name"] for recipe in listed if recipe["default"]} == {
        "quick-generative",
        "quick-personal",
        "quick-direct",
    }

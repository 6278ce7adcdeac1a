import hashlib
import json
from dataclasses import replace

import pytest

from core.db.tables import Checkpoint
from tests import pretend_worker
from tests.served import served

OTHER_PRIOR = "f" * 64


def path_of(subject_id):
    return f"/v1/subjects/{subject_id}/checkpoints"


def set_columns(api, checkpoint_id, **columns):
    with api.database.write() as session:
        row = session.get_one(Checkpoint, checkpoint_id)
        for name, value in columns.items():
            setattr(row, name, value)


def test_an_album_s_checkpoint_becomes_the_default_and_can_be_fetched(api):
    subject_id, checkpoint_id = api.tuned()
    found = api.made("GET", f"{path_of(subject_id)}/{checkpoint_id}", 200)
    assert (found["status"], found["default"], found["pinned"]) == ("ready", True, False)
    assert found["prior"]["name"]
    assert found["size_bytes"] == len(pretend_worker.WEIGHTS)
    assert found["expires_at"]
    content = api.client.get(found["links"]["content"])
    assert content.content == pretend_worker.WEIGHTS
    assert hashlib.sha256(content.content).hexdigest() == found["sha256"]
    assert content.headers["content-disposition"].endswith(f"{checkpoint_id}.safetensors")


def test_another_seed_makes_another_checkpoint_and_the_same_one_finds_it(api):
    subject_id, first = api.tuned()
    job = api.made("POST", path_of(subject_id), 202, json={"seed": 1})
    assert job["kind"] == "checkpoint"
    assert api.made("POST", path_of(subject_id), 202, json={"seed": 1})["id"] == job["id"]
    second = pretend_worker.tune(api.database, api.store, job["id"])
    assert second != first
    found = api.made("POST", path_of(subject_id), 200, json={"seed": 1})
    assert (found["id"], found["status"]) == (second, "ready")
    listed = api.made("GET", path_of(subject_id), 200)["data"]
    assert {row["id"] for row in listed} == {first, second}


def test_identical_is_what_gives_the_same_weights_whatever_the_recipe_is_called_or_restores_with(api):
    subject_id, first = api.tuned()
    assert api.made("POST", path_of(subject_id), 200, json={"recipe": "quick-personal"})["id"] == first
    assert api.client.post(path_of(subject_id), json={"recipe": "paper-personal"}).status_code == 202


def test_a_recipe_that_has_to_tune_further_for_its_k_is_not_identical(sqlite_database, tmp_path):
    recipes = [
        {
            "name": f"k-{steps}" + ("-scored" if scorings else ""),
            "mode": "personal",
            "finetune": {"timesteps_below": 200, "scorings": scorings},
            "restore": {"noise_steps": steps},
        }
        for steps in (150, 200, 400)
        for scorings in (0, 4)
    ]
    file = tmp_path / "recipes.json"
    file.write_text(json.dumps(recipes))
    with served(sqlite_database, tmp_path / "home", recipes_file=file) as api:
        subject_id = api.subject()
        first = api.album(subject_id, recipe="k-150")
        assert api.album(subject_id, recipe="k-200")["id"] == first["id"]
        pretend_worker.tune(api.database, api.store, first["id"])
        assert api.made("POST", path_of(subject_id), 200, json={"recipe": "k-200"})["id"] == first["checkpoint_id"]
        assert api.client.post(path_of(subject_id), json={"recipe": "k-400"}).status_code == 202
        # Held-out photos are restored from K, which decides the step that is kept.
        scored = [api.made("POST", path_of(subject_id), 202, json={"recipe": f"k-{k}-scored"}) for k in (150, 200)]
        assert scored[0]["id"] != scored[1]["id"]


def test_a_checkpoint_that_failed_is_made_again_under_its_id(api):
    subject_id, _ = api.tuned()
    job = api.made("POST", path_of(subject_id), 202, json={"seed": 1})
    pretend_worker.fail(api.database, job["id"])
    failed = api.made("GET", f"{path_of(subject_id)}/{job['checkpoint_id']}", 200)
    assert failed["status"] == "failed"
    assert failed["links"]["content"] is None
    again = api.made("POST", path_of(subject_id), 202, json={"seed": 1})
    assert (again["checkpoint_id"], again["id"] != job["id"]) == (job["checkpoint_id"], True)


def test_no_checkpoint_is_made_without_an_album(api):
    answer = api.client.post(path_of(api.subject()), json={})
    assert (answer.status_code, answer.json()["code"]) == (422, "album_too_small")


@pytest.mark.parametrize("recipe", ["nonsense", "quick-direct"])
def test_only_a_personal_recipe_makes_a_checkpoint(api, recipe):
    subject_id, _ = api.tuned()
    answer = api.client.post(path_of(subject_id), json={"recipe": recipe})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_recipe")


def test_the_default_is_chosen_and_given_up(api):
    subject_id, first = api.tuned()
    second = pretend_worker.tune(
        api.database, api.store, api.made("POST", path_of(subject_id), 202, json={"seed": 1})["id"]
    )
    assert api.made("PATCH", f"{path_of(subject_id)}/{first}", 200, json={"default": True})["default"] is True
    assert api.made("GET", f"{path_of(subject_id)}/{second}", 200)["default"] is False
    assert api.made("PATCH", f"{path_of(subject_id)}/{first}", 200, json={"default": False})["default"] is False
    assert api.made("GET", f"/v1/subjects/{subject_id}", 200)["default_checkpoint_id"] is None


def test_what_is_not_there_yet_is_no_default_and_has_no_content(api):
    subject_id, _ = api.tuned()
    job = api.made("POST", path_of(subject_id), 202, json={"seed": 1})
    path = f"{path_of(subject_id)}/{job['checkpoint_id']}"
    for answer in (api.client.patch(path, json={"default": True}), api.client.get(f"{path}/content")):
        assert (answer.status_code, answer.json()["code"]) == (409, "checkpoint_not_ready")


def test_a_pinned_checkpoint_never_expires_until_it_is_let_go(api):
    subject_id, checkpoint_id = api.tuned()
    path = f"{path_of(subject_id)}/{checkpoint_id}"
    pinned = api.made("PATCH", path, 200, json={"pinned": True})
    assert (pinned["pinned"], pinned["expires_at"]) == (True, None)
    assert api.made("PATCH", path, 200, json={"pinned": False})["expires_at"] is not None


def test_a_deleted_checkpoint_is_gone_and_no_default_any_more(api):
    subject_id, checkpoint_id = api.tuned()
    assert api.client.delete(f"{path_of(subject_id)}/{checkpoint_id}").status_code == 204
    assert api.client.get(f"{path_of(subject_id)}/{checkpoint_id}").status_code == 404
    assert api.made("GET", f"/v1/subjects/{subject_id}", 200)["default_checkpoint_id"] is None


def test_a_deleted_checkpoint_s_job_is_stopped(api):
    subject_id, _ = api.tuned()
    job = api.made("POST", path_of(subject_id), 202, json={"seed": 1})
    assert api.client.delete(f"{path_of(subject_id)}/{job['checkpoint_id']}").status_code == 204
    assert api.made("GET", f"/v1/jobs/{job['id']}", 200)["status"] == "cancelled"


def test_a_checkpoint_that_restorations_wait_for_is_not_deleted(api):
    subject_id, checkpoint_id = api.tuned()
    job = api.restoration(subject_id=subject_id)
    answer = api.client.delete(f"{path_of(subject_id)}/{checkpoint_id}")
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    api.client.post(f"/v1/jobs/{job['id']}/cancel")
    assert api.client.delete(f"{path_of(subject_id)}/{checkpoint_id}").status_code == 204


def test_another_subject_s_checkpoint_is_not_found_under_this_one(api):
    _, checkpoint_id = api.tuned()
    assert api.client.get(f"{path_of(api.subject())}/{checkpoint_id}").status_code == 404


def test_a_restoration_with_a_checkpoint_of_another_prior_says_what_to_do(api):
    subject_id, checkpoint_id = api.tuned()
    set_columns(api, checkpoint_id, prior_sha256=OTHER_PRIOR, prior_name="ffhq-256", identity=OTHER_PRIOR)
    file_id = api.file()
    for body in ({"subject_id": subject_id}, {"checkpoint_id": checkpoint_id}):
        answer = api.client.post("/v1/restorations", json={"input": {"file_id": file_id}, **body})
        assert (answer.status_code, answer.json()["code"]) == (409, "checkpoint_mismatch")
        assert "ffhq-256" in answer.json()["detail"]
        assert "/checkpoints" in answer.json()["advice"]
    job = api.made("POST", path_of(subject_id), 202, json={})
    assert api.restoration(subject_id=subject_id)["waits_for_job_id"] == job["id"]
    made = pretend_worker.tune(api.database, api.store, job["id"])
    assert api.restoration(subject_id=subject_id)["checkpoint_id"] == made


def test_what_another_face_finder_would_give_is_not_identical(api):
    subject_id, first = api.tuned()
    service = api.client.app.state.service
    service._offer = replace(service.offer, finder="yunet")
    job = api.made("POST", path_of(subject_id), 202, json={})
    assert job["checkpoint_id"] != first

import time
from datetime import timedelta

import pytest

from core.db.session import now_of
from core.db.tables import Job, JobEventRow, Worker
from core.domain.job import JobEvent
from tests import pretend_worker
from tests.served import served


def test_a_queued_job_is_cancelled_at_once_and_a_running_one_is_about_to_stop(api):
    queued = api.restoration(mode="direct")
    answer = api.client.post(queued["links"]["cancel"])
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    running = api.restoration(mode="direct")
    pretend_worker.claim(api.database, running["id"])
    answer = api.client.post(running["links"]["cancel"])
    assert (answer.status_code, answer.json()["status"]) == (202, "running")
    assert answer.json()["cancel_requested"] is True
    pretend_worker.end(api.database, running["id"], JobEvent.CANCELLED)
    assert api.client.post(running["links"]["cancel"]).status_code == 200
    assert api.client.post("/v1/jobs/job_" + "0" * 26 + "/cancel").status_code == 404


def test_a_cancelled_tuning_takes_with_it_what_waits_for_it(api):
    subject_id = api.subject()
    tuning = api.album(subject_id)
    waiting = api.restoration(subject_id=subject_id)
    api.made("POST", tuning["links"]["cancel"], 200)
    found = api.made("GET", waiting["links"]["self"], 200)
    assert (found["status"], found["error"]["code"]) == ("failed", "checkpoint_not_ready")
    checkpoint = api.made("GET", found["links"]["checkpoint"], 200)
    assert checkpoint["status"] == "failed"


def test_a_failed_job_is_retried_as_a_new_one(api):
    job = api.restoration(mode="direct", seed=3)
    pretend_worker.fail(api.database, job["id"])
    failed = api.made("GET", job["links"]["self"], 200)
    assert failed["error"] == {
        "type": "urn:heirloom:problem:image_unreadable",
        "title": "Image unreadable",
        "code": "image_unreadable",
        "detail": "It is damaged.",
        "advice": "Send another.",
        "retryable": False,
    }
    answer = api.client.post(job["links"]["retry"])
    again = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (202, f"/v1/jobs/{again['id']}")
    assert (again["status"], again["retry_of"], again["seed"]) == ("queued", job["id"], 3)
    assert again["restoration_id"] == job["restoration_id"]
    assert api.made("GET", job["links"]["restoration"], 200)["job_id"] == again["id"]
    pretend_worker.restore(api.database, api.store, again["id"])
    assert api.client.get(f"{job['links']['restoration']}/image").status_code == 200


@pytest.mark.parametrize("state", ["queued", "running", "succeeded"])
def test_only_a_job_that_ended_badly_is_retried(api, state):
    job = api.restoration(mode="direct")
    if state == "running":
        pretend_worker.claim(api.database, job["id"])
    elif state == "succeeded":
        pretend_worker.restore(api.database, api.store, job["id"])
    answer = api.client.post(job["links"]["retry"])
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


def test_a_retried_tuning_is_waited_for_and_its_restorations_can_be_retried_then(api):
    subject_id = api.subject()
    tuning = api.album(subject_id)
    waiting = api.restoration(subject_id=subject_id)
    pretend_worker.fail(api.database, tuning["id"])
    assert api.client.post(waiting["links"]["retry"]).json()["code"] == "checkpoint_not_ready"
    again = api.made("POST", tuning["links"]["retry"], 202)
    assert again["checkpoint_id"] == tuning["checkpoint_id"]
    assert api.made("POST", waiting["links"]["retry"], 202)["waits_for_job_id"] == again["id"]
    pretend_worker.tune(api.database, api.store, again["id"])
    assert api.client.post(tuning["links"]["retry"]).json()["code"] == "conflict"


def test_a_job_whose_restoration_was_deleted_is_not_retried(api):
    job = api.restoration(mode="direct")
    api.client.delete(job["links"]["restoration"])
    assert api.client.post(job["links"]["retry"]).status_code == 404


def test_a_job_shows_how_far_it_is(api):
    job = api.restoration(mode="direct")
    assert job["progress"] == {"done": 0, "total": 0, "fraction": 0.0}
    pretend_worker.claim(api.database, job["id"], progress_done=5, progress_total=20)
    found = api.made("GET", job["links"]["self"], 200)
    assert (found["status"], found["attempt"], found["stage"]) == ("running", 1, "intake")
    assert found["progress"] == {"done": 5, "total": 20, "fraction": 0.25}
    assert found["queue_position"] is None


def test_jobs_are_listed_by_status_kind_and_subject(api):
    subject_id, _ = api.tuned()
    restoring = api.restoration(subject_id=subject_id)
    api.restored()

    def listed(**query):
        return [job["id"] for job in api.made("GET", "/v1/jobs", 200, params=query)["data"]]

    assert len(listed()) == 3
    assert listed(status="queued") == [restoring["id"]]
    assert len(listed(kind="restoration")) == 2
    assert len(listed(subject=subject_id)) == 2
    assert listed(subject=subject_id, kind="album", status="queued") == []
    for wrong in ({"status": "done"}, {"kind": "batch"}, {"subject": "x"}):
        assert api.client.get("/v1/jobs", params=wrong).status_code == 422


def test_places_in_the_queue_are_counted_over_everybody_s_jobs_by_turns(keyed):
    keyed.client.headers.update(keyed.key("Ada"))
    jobs = [keyed.restoration(mode="direct") for _ in range(2)]
    keyed.client.headers.update(keyed.key("Eve"))
    jobs.append(keyed.restoration(mode="direct"))
    assert [job["queue_position"] for job in jobs] == [1, 2, 2]


def test_the_time_left_is_told_from_measured_jobs_over_the_live_workers(api):
    job = api.restoration(mode="direct")
    assert job["eta_seconds"] is None  # nothing was measured
    for seconds in (4.0, 10.0, 6.0):
        done = api.restoration(mode="direct")
        pretend_worker.restore(api.database, api.store, done["id"], run_seconds=seconds)
    assert api.made("GET", job["links"]["self"], 200)["eta_seconds"] is None  # nobody would run it
    pretend_worker.register(api.database, "one")
    assert api.made("GET", job["links"]["self"], 200)["eta_seconds"] == 6.0
    third = [api.restoration(mode="direct") for _ in range(2)][-1]
    assert (third["queue_position"], third["eta_seconds"]) == (3, 18.0)
    pretend_worker.register(api.database, "two")
    assert api.made("GET", third["links"]["self"], 200)["eta_seconds"] == 12.0
    other = api.restoration(mode="direct", noise_steps=500)
    assert other["eta_seconds"] is None  # another recipe: nothing alike was measured
    behind = api.restoration(mode="direct")
    assert behind["eta_seconds"] is None  # nor is it known how long that one takes


def test_a_running_job_s_time_left_runs_down_and_stands_before_the_queued_ones(api):
    pretend_worker.register(api.database)
    done = api.restoration(mode="direct")
    pretend_worker.restore(api.database, api.store, done["id"], run_seconds=100.0)
    running = api.restoration(mode="direct")
    pretend_worker.claim(api.database, running["id"])
    with api.database.write() as session:
        session.query(JobEventRow).filter_by(type="claimed", job_id=running["id"]).one().at -= timedelta(seconds=40)
    left = api.made("GET", running["links"]["self"], 200)["eta_seconds"]
    assert 50 < left <= 60
    assert 150 < api.restoration(mode="direct")["eta_seconds"] <= 160
    with api.database.write() as session:
        session.query(JobEventRow).filter_by(type="claimed", job_id=running["id"]).one().at -= timedelta(seconds=360)
    assert api.made("GET", running["links"]["self"], 200)["eta_seconds"] == 0


def test_a_worker_that_was_not_heard_of_for_long_is_not_counted(api):
    pretend_worker.register(api.database)
    done = api.restoration(mode="direct")
    pretend_worker.restore(api.database, api.store, done["id"], run_seconds=9.0)
    with api.database.write() as session:
        session.query(Worker).one().last_seen_at = now_of(session) - timedelta(minutes=5)
    assert api.restoration(mode="direct")["eta_seconds"] is None


def test_the_answer_says_when_to_ask_again(api):
    pretend_worker.register(api.database)
    done = api.restoration(mode="direct")
    pretend_worker.restore(api.database, api.store, done["id"], run_seconds=17.0)
    answer = api.client.post("/v1/restorations", json={"input": {"file_id": api.file()}, "mode": "direct"})
    assert answer.headers["retry-after"] == "17"


def test_a_job_whose_prior_no_worker_has_says_why_it_waits(api):
    job = api.restoration(mode="direct")
    with api.database.write() as session:
        row = session.get_one(Job, job["id"])
        row.prior_name, row.prior_sha256 = "another", "f" * 64
    assert api.made("GET", job["links"]["self"], 200)["warnings"] == []  # no worker is there at all
    pretend_worker.register(api.database)
    found = api.made("GET", job["links"]["self"], 200)
    assert (found["status"], found["eta_seconds"]) == ("queued", None)
    assert found["warnings"][0]["code"] == "prior_unavailable"
    assert "'another'" in found["warnings"][0]["detail"]
    assert api.restoration(mode="direct")["warnings"] == []
    api.made("POST", job["links"]["cancel"], 200)
    assert api.made("GET", job["links"]["self"], 200)["warnings"] == []


def test_each_of_several_jobs_in_a_row_has_a_place_of_its_own(api):
    api.client.app.state.service.forecaster.kept_seconds = 3600.0
    assert [api.restoration(mode="direct")["queue_position"] for _ in range(5)] == [1, 2, 3, 4, 5]


def test_a_deadline_passes_and_a_dead_worker_s_job_waits_again_though_no_worker_lives(sqlite_database, tmp_path):
    with served(sqlite_database, tmp_path / "home", reap_seconds=0.05) as api:
        late, lost = (api.restoration(mode="direct")["links"]["self"] for _ in range(2))
        with api.database.write() as session:
            past = now_of(session) - timedelta(seconds=1)
            session.get_one(Job, late.rpartition("/")[2]).start_by = past
        pretend_worker.claim(api.database, lost.rpartition("/")[2], lease_until=past)
        for path, status in ((late, "expired"), (lost, "queued")):
            for _ in range(200):
                if (found := api.made("GET", path, 200))["status"] == status:
                    break
                time.sleep(0.02)
            assert found["status"] == status

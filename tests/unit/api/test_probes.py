from datetime import timedelta

from sqlalchemy import text

from core.db.session import Database, now_of
from core.db.tables import Worker
from tests import pretend_worker
from tests.served import served


def missing(api):
    answer = api.client.get("/readyz")
    if answer.status_code == 200:
        return []
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "not_ready"
    assert answer.headers["retry-after"]
    return [error["pointer"] for error in answer.json()["errors"]]


def test_a_service_with_a_worker_is_ready(api):
    assert missing(api) == ["/worker"]
    pretend_worker.register(api.database)
    assert missing(api) == []
    assert api.made("GET", "/readyz", 200) == {"status": "ready"}


def test_a_database_that_was_never_migrated_is_named(tmp_path):
    with served(Database(f"sqlite:///{tmp_path / 'empty.db'}"), tmp_path) as api:
        assert missing(api) == ["/migrations"]
        assert "heirloom db upgrade" in api.client.get("/readyz").text


def test_a_column_that_a_migration_would_add_is_named(api):
    with api.database.write() as session:
        session.execute(text("ALTER TABLE jobs DROP COLUMN run_seconds"))
    assert missing(api) == ["/migrations"]
    assert "jobs.run_seconds" in api.client.get("/readyz").text


def test_the_process_is_alive_without_a_database(tmp_path):
    away = Database("postgresql://nobody@127.0.0.1:1/nothing")
    with served(away, tmp_path) as api:
        assert api.made("GET", "/livez", 200) == {"status": "ok"}
        assert missing(api) == ["/database"]
        answer = api.client.get("/v1/subjects")
        assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")


def test_a_prior_or_disk_space_that_is_not_there_is_named(sqlite_database, tmp_path):
    with served(sqlite_database, tmp_path, prior="nowhere", min_free_disk_mib=2**40) as api:
        assert missing(api) == ["/worker", "/prior", "/disk"]


def test_the_system_tells_of_queue_workers_and_limits_and_of_nobody_s_jobs(api):
    pretend_worker.register(api.database, "gpu-host-1")
    api.restoration(mode="direct")
    running = api.restoration(mode="direct")
    pretend_worker.claim(api.database, running["id"])
    found = api.made("GET", "/v1/system", 200)
    assert found["queue"] == {"queued": 1, "running": 1}
    assert [worker["name"] for worker in found["workers"]] == ["gpu-host-1"]
    assert (found["mode"], found["prior"]) == ("embedded", "starter")
    assert (found["face_finder"]["name"], found["face_finder"]["commercial_use"]) == ("dlib", False)
    assert "commercial use" in found["face_finder"]["licence"]
    assert found["limits"]["max_upload_bytes"] == 100 * 2**20
    assert running["id"] not in api.client.get("/v1/system").text


def test_a_worker_that_is_set_aside_says_so_with_what_to_do_and_alone_is_no_worker_at_all(api):
    worker_id = pretend_worker.register(api.database, "gpu-host-1")
    with api.database.write() as session:
        row = session.get_one(Worker, worker_id)
        row.station, row.set_aside_until = "gpu-host", now_of(session) + timedelta(minutes=2)
    (told,) = api.made("GET", "/v1/system", 200)["workers"]
    assert told["state"] == "set_aside"
    assert told["set_aside_until"]
    assert "gpu-host died with one job after another" in told["advice"]
    assert missing(api) == ["/worker"]
    assert 'heirloom_workers{device="cpu",state="set_aside"} 1.0' in api.client.get("/metrics").text
    pretend_worker.register(api.database, "gpu-host-2")
    assert missing(api) == []
    assert [worker["advice"] for worker in api.made("GET", "/v1/system", 200)["workers"]][1:] == [""]


def test_priors_are_listed_with_their_licences_and_hashes_the_active_one_first(api):
    listed = api.made("GET", "/v1/priors", 200)["data"]
    starter = listed[0]
    assert (starter["name"], starter["active"], starter["installed"]) == ("starter", True, True)
    assert len(starter["sha256"]) == 64
    assert starter["size_bytes"] > 10**6
    assert starter["commercial_use"] is False
    assert (starter["resolution"], starter["noise_steps"]) == (128, 1000)
    assert all(prior["licence"] for prior in listed)
    assert [prior["active"] for prior in listed].count(True) == 1
    assert any(not prior["installed"] for prior in listed)


def test_metrics_count_requests_by_their_route(api):
    api.client.get("/v1/jobs/job_" + "0" * 26)
    api.client.get("/elsewhere")
    told = api.client.get("/metrics")
    assert told.headers["content-type"].startswith("text/plain")
    assert 'route="/v1/jobs/{job_id}",status="404"' in told.text
    assert 'route="none",status="404"' in told.text
    assert "elsewhere" not in told.text

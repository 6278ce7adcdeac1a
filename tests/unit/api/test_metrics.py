import threading
from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from api import metrics
from api.metrics import Metrics, _FromDatabase
from core.db.session import Database
from tests import rows

LIFE = timedelta(seconds=60)


def samples(text):
    """(name, labels) → value."""
    families = text_string_to_metric_families(text.decode())
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value for family in families for sample in family.samples
    }


@pytest.fixture
def counted(sqlite_database):
    return Metrics(sqlite_database, LIFE)


def test_answers_are_counted_by_route_method_and_status(counted):
    counted.answered("GET", "/v1/jobs/{job_id}", 200, 0.02)
    counted.answered("GET", "/v1/jobs/{job_id}", 200, 0.2)
    counted.answered("GET", None, 404, 0.001)
    found = samples(counted.rendered())
    route = ("route", "/v1/jobs/{job_id}")
    assert found["heirloom_requests_total", ("method", "GET"), route, ("status", "200")] == 2
    assert found["heirloom_requests_total", ("method", "GET"), ("route", "none"), ("status", "404")] == 1
    assert found["heirloom_request_seconds_sum", ("method", "GET"), route] == pytest.approx(0.22)
    assert found["heirloom_request_seconds_bucket", ("le", "0.025"), ("method", "GET"), route] == 1


def test_methods_that_http_does_not_have_share_one_series(counted):
    for number in range(20):
        counted.answered(f"FOO{number}", None, 405, 0.001)
    found = samples(counted.rendered())
    assert found["heirloom_requests_total", ("method", "other"), ("route", "none"), ("status", "405")] == 20
    assert b"FOO" not in counted.rendered()


def test_requests_under_way_are_counted_even_when_they_fail(counted):
    def now():
        return samples(counted.rendered())[("heirloom_requests_in_flight",)]

    during = []

    def request():
        with counted.in_flight():
            during.append(now())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        request()
    assert (during, now()) == ([1], 0)


def test_the_queue_the_workers_and_the_blobs_come_from_the_database(counted, sqlite_database):
    with sqlite_database.write() as session:
        session.add(rows.job(id="job_1", kind="album", status="queued", attempt=3, crashes=2))
        session.add(rows.job(id="job_2", kind="album", status="running", metrics={"seconds": {"restore": 2.0}}))
    found = samples(counted.rendered())
    assert found[("heirloom_database_up",)] == 1
    assert found[("heirloom_queue_depth",)] == 1
    assert found[("heirloom_queue_oldest_seconds",)] > 0
    assert found[("heirloom_jobs_running",)] == 1
    assert found["heirloom_jobs", ("kind", "album"), ("status", "queued")] == 1
    assert found["heirloom_job_attempts", ("kind", "album")] == 3
    assert found["heirloom_job_crashes", ("kind", "album")] == 2


def test_a_database_that_is_away_is_told_and_the_requests_still_are(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/absent/heirloom.db")
    counted = Metrics(database, LIFE)
    counted.answered("GET", "/livez", 200, 0.001)
    found = samples(counted.rendered())
    assert found[("heirloom_database_up",)] == 0
    assert ("heirloom_queue_depth",) not in found
    assert found["heirloom_requests_total", ("method", "GET"), ("route", "/livez"), ("status", "200")] == 1
    database.close()


def test_the_database_is_asked_once_in_a_while_however_many_ask_us(sqlite_database, monkeypatch):
    asked = []
    real = metrics.read_figures
    monkeypatch.setattr(metrics, "read_figures", lambda *arguments: asked.append(1) or real(*arguments))
    now = [0.0]
    source = _FromDatabase(sqlite_database, LIFE, clock=lambda: now[0])
    threads = [threading.Thread(target=lambda: list(source.collect())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(asked) == 1
    now[0] = metrics.KEPT_SECONDS
    list(source.collect())
    assert len(asked) == 2


def test_every_name_is_ours_and_explained(counted):
    lines = counted.rendered().decode().splitlines()
    assert all(line.startswith(("# ", "heirloom_")) for line in lines)
    helped = {line.split()[2] for line in lines if line.startswith("# HELP")}
    typed = {line.split()[2] for line in lines if line.startswith("# TYPE")}
    assert helped == typed


def test_two_applications_in_one_process_do_not_count_each_other(sqlite_database):
    first, second = Metrics(sqlite_database, LIFE), Metrics(sqlite_database, LIFE)
    first.answered("GET", "/livez", 200, 0.001)
    assert b"/livez" not in second.rendered()

"""Webhook endpoints and deliveries over HTTP, and what a restoration's own address is told."""

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import select

from core.db.tables import Job, WebhookDelivery
from core.redaction import plain
from core.services import webhooks
from core.services.delivering import collect
from core.services.webhooks import MOST_ENDPOINTS
from core.webhooks.guard import AddressGuard
from core.webhooks.outbound import Outbound
from tests import pretend_worker
from tests.hostile_addresses import URLS, resolve
from tests.receiver import LOCAL, LOOPBACK
from tests.served import served
from tests.small_photos import photo
from worker.sender import Sender

ROOT = Path(__file__).resolve().parents[3]
PATH = "/v1/webhook-endpoints"
URL = "https://photos.example.org/hook"


def deliveries(api, endpoint_id, **query):
    return api.made("GET", f"{PATH}/{endpoint_id}/deliveries", 200, params=query)["data"]


def test_an_endpoint_is_made_and_its_secret_is_shown_this_once(api):
    answer = api.client.post(PATH, json={"url": URL})
    assert answer.status_code == 201
    made = answer.json()
    assert answer.headers["location"] == f"{PATH}/{made['id']}"
    assert made["secret"].startswith("whsec_")
    assert len(made["events"]) == 6
    shown = api.made("GET", f"{PATH}/{made['id']}", 200)
    assert shown == {name: value for name, value in made.items() if name != "secret"}
    assert api.made("GET", PATH, 200)["data"] == [shown]
    assert made["secret"] not in api.client.get(f"{PATH}/{made['id']}/deliveries").text


def test_a_secret_that_a_line_would_quote_is_taken_out(api):
    secret = api.endpoint()["secret"]
    assert plain(f"signed with {secret} today") == "signed with whsec_*** today"
    assert plain({"secret": [secret]}) == {"secret": ["whsec_***"]}


def test_a_repeated_request_makes_no_second_endpoint(api):
    headers = {"Idempotency-Key": "once"}
    first, second = (api.client.post(PATH, json={"url": URL}, headers=headers) for _ in range(2))
    assert first.content == second.content
    assert len(api.made("GET", PATH, 200)["data"]) == 1
    api.made("POST", f"{PATH}/{first.json()['id']}/secret", 200)
    again = api.client.post(PATH, json={"url": URL}, headers=headers)
    assert again.status_code == 409  # the kept answer showed the secret that was replaced
    assert first.json()["secret"] not in again.text


def test_a_replaced_secret_is_another_one(api):
    made = api.endpoint()
    replaced = api.made("POST", f"{PATH}/{made['id']}/secret", 200)
    assert replaced["secret"] != made["secret"]
    assert replaced["former_secret_until"] is not None
    assert "secret" not in api.made("GET", f"{PATH}/{made['id']}", 200)


def test_hostile_addresses_are_refused_or_lead_nowhere(api, monkeypatch):
    monkeypatch.setattr(webhooks, "MOST_ENDPOINTS", len(URLS))
    connected = []

    def connect(address, port, _seconds):
        connected.append((address, port))
        raise ConnectionRefusedError

    subject_id = api.subject()
    answers = [api.client.post(PATH, json={"url": url}) for url in URLS]
    refused = [answer for answer in answers if answer.status_code != 201]
    assert {answer.status_code for answer in refused} == {422}
    assert {answer.json()["code"] for answer in refused} == {"address_refused", "invalid_request"}
    named = len(answers) - len(refused)
    assert named > 10  # of these the name is plain, and its meaning shows when it is called
    api.made("DELETE", f"/v1/subjects/{subject_id}", 200)
    sending = Sender(api.database, Outbound(AddressGuard(), resolve, connect))
    assert sum(iter(sending.send, 0)) == named
    assert connected == []
    with api.database.read() as session:
        codes = set(session.scalars(select(WebhookDelivery.code)))
    assert codes == {"address_refused", "name_not_found"}


def test_there_is_an_end_to_endpoints(api):
    for _ in range(MOST_ENDPOINTS):
        last = api.endpoint()["id"]
    assert api.client.post(PATH, json={"url": URL}).json()["code"] == "conflict"
    assert api.client.delete(f"{PATH}/{last}").status_code == 204
    assert api.client.post(PATH, json={"url": URL}).status_code == 201


def test_what_was_told_can_be_looked_at_and_told_again(api):
    endpoint_id, delivery_id = api.delivered()
    (shown,) = deliveries(api, endpoint_id, status="delivered")
    assert shown["id"] == delivery_id
    assert (shown["status"], shown["attempts"], shown["answer_status"], shown["code"]) == ("delivered", 1, 204, "")
    assert set(shown["payload"]) == {"type", "timestamp", "data"}
    assert deliveries(api, endpoint_id, status="failed") == []
    again = api.made("POST", f"{PATH}/{endpoint_id}/deliveries/{delivery_id}/replay", 202)
    assert (again["status"], again["event_id"], again["attempts"]) == ("pending", shown["event_id"], 0)
    twice = api.client.post(f"{PATH}/{endpoint_id}/deliveries/{delivery_id}/replay")
    assert (twice.status_code, twice.json()["code"]) == (409, "conflict")
    assert [parcel.delivery_id for parcel in collect(api.database)] == [delivery_id]


def test_a_delivery_is_its_own_endpoint_s_alone(api):
    _, delivery_id = api.delivered()
    other = api.endpoint()["id"]
    answer = api.client.post(f"{PATH}/{other}/deliveries/{delivery_id}/replay")
    assert answer.status_code == 404


def test_a_restoration_tells_its_own_address(api):
    endpoint = api.endpoint(events=[])
    job = api.restoration(mode="direct", webhook_url=f"{URL}/17")
    api.restoration(mode="direct")
    pretend_worker.restore(api.database, api.store, job["id"])
    told = deliveries(api, endpoint["id"])
    assert told == []
    collect(api.database)
    told = deliveries(api, endpoint["id"])
    assert {one["type"] for one in told} == {"job.started", "job.succeeded"}
    assert {one["url"] for one in told} == {f"{URL}/17"}
    assert {one["payload"]["data"]["job_id"] for one in told} == {job["id"]}
    assert {one["payload"]["data"]["restoration_id"] for one in told} == {job["restoration_id"]}


def test_a_batch_tells_its_own_address_of_each_photo(api):
    endpoint = api.endpoint(events=[])
    body = {"file_ids": [api.file(1), api.file(2)], "mode": "direct", "webhook_url": URL}
    batch = api.made("POST", "/v1/batches", 202, json=body)
    for one in batch["restorations"]:
        pretend_worker.restore(api.database, api.store, one["job_id"])
    collect(api.database)
    assert len(deliveries(api, endpoint["id"])) == 4


@pytest.mark.parametrize(
    ("url", "code"),
    [
        (f"{URL}/17", None),
        ("https://elsewhere.example.org/", "invalid_request"),
        ("https://photos.example.org:8443/", "invalid_request"),
        ("http://photos.example.org/", "invalid_request"),
        ("https://photos.example.org@127.0.0.1/", "address_refused"),
        ("https://127.0.0.1/", "invalid_request"),
    ],
)
def test_a_webhook_url_is_on_a_server_that_has_a_secret(api, url, code):
    api.endpoint()
    answer = api.client.post(
        "/v1/restorations", files={"file": ("x.png", photo(3))}, data={"mode": "direct", "webhook_url": url}
    )
    if code is None:
        assert answer.status_code == 202
    else:
        assert (answer.status_code, answer.json()["code"]) == (422, code)
        assert answer.json()["errors"][0]["pointer"] == "/webhook_url"


@pytest.mark.parametrize("ended", [False, True])
def test_with_a_restoration_goes_the_address_that_it_told(api, ended):
    endpoint = api.endpoint(events=[])
    job = api.restoration(mode="direct", webhook_url=f"{URL}?token=canary")
    if ended:
        pretend_worker.restore(api.database, api.store, job["id"])
    assert api.client.delete(f"/v1/restorations/{job['restoration_id']}").status_code == 204
    with api.database.read() as session:
        assert "webhook" not in session.get_one(Job, job["id"]).options
    collect(api.database)
    told = {one["type"] for one in deliveries(api, endpoint["id"])}
    assert told == ({"job.started", "job.succeeded"} if ended else {"job.cancelled"})


def test_so_it_does_from_every_job_that_was_tried_for_it(api):
    api.endpoint(events=[])
    first = api.restoration(mode="direct", webhook_url=f"{URL}?token=canary")
    pretend_worker.fail(api.database, first["id"])
    second = api.made("POST", f"/v1/jobs/{first['id']}/retry", 202)
    assert api.client.delete(f"/v1/restorations/{first['restoration_id']}").status_code == 204
    with api.database.read() as session:
        assert [session.get_one(Job, job["id"]).options.get("webhook") for job in (first, second)] == [None, None]


def test_a_retried_job_tells_the_same_address(api):
    endpoint = api.endpoint(events=[])
    job = api.restoration(mode="direct", webhook_url=URL)
    pretend_worker.fail(api.database, job["id"])
    again = api.made("POST", f"/v1/jobs/{job['id']}/retry", 202)
    pretend_worker.restore(api.database, api.store, again["id"])
    collect(api.database)
    told = [(one["type"], one["payload"]["data"]["job_id"]) for one in deliveries(api, endpoint["id"])]
    assert set(told) == {
        ("job.started", job["id"]),
        ("job.failed", job["id"]),
        ("job.started", again["id"]),
        ("job.succeeded", again["id"]),
    }


def test_http_and_loopback_are_taken_where_the_operator_lists_them(sqlite_database, tmp_path):
    with served(sqlite_database, tmp_path, webhook_networks=LOOPBACK) as api:
        assert api.client.post(PATH, json={"url": "http://127.0.0.1:9/"}).status_code == 201
        assert api.client.post(PATH, json={"url": "http://10.0.0.1/"}).status_code == 422


def test_the_documented_receiver_takes_what_is_ours_and_refuses_what_is_not(sqlite_database, tmp_path):
    page = (ROOT / "docs" / "how-to" / "webhooks.md").read_text()
    (code,) = re.findall(r"<!-- receiver -->\n```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    (tmp_path / "receiver.py").write_text(code)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with served(sqlite_database, tmp_path, webhook_networks=LOOPBACK) as api:
        endpoint = api.endpoint(url=f"http://127.0.0.1:{port}/")
        environment = {**os.environ, "WEBHOOK_SECRET": endpoint["secret"], "PORT": str(port)}
        running = subprocess.Popen(  # noqa: S603  # our own document
            [sys.executable, tmp_path / "receiver.py"], env=environment, stdout=subprocess.PIPE, text=True
        )
        try:
            wait_for(port)
            subject_id = api.subject()
            api.made("DELETE", f"/v1/subjects/{subject_id}", 200)
            assert Sender(api.database, LOCAL).send() == 1
            (told,) = deliveries(api, endpoint["id"])
            assert told["status"] == "delivered"
            api.made("POST", f"{PATH}/{endpoint['id']}/deliveries/{told['id']}/replay", 202)
            assert Sender(api.database, LOCAL).send() == 1
            for _ in range(2):  # the receiver still has the first secret; then nothing is signed with it any more
                api.made("POST", f"{PATH}/{endpoint['id']}/secret", 200)
            api.made("DELETE", f"/v1/subjects/{api.subject()}", 200)
            assert Sender(api.database, LOCAL).send() == 1
            assert deliveries(api, endpoint["id"])[0]["answer_status"] == 401
        finally:
            running.terminate()
            printed, _ = running.communicate(timeout=10)
    assert printed.splitlines() == ["subject.deleted " + str({"subject_id": subject_id})]


def wait_for(port):
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the receiver did not start")

"""What is somebody else's is answered as what is not there, on every route that names something.

The routes come from the OpenAPI document: one that is added is tried without a line here.
"""

import itertools
import json
import re

import pytest

from core.domain.ids import Prefix, new_id
from docs.openapi import document
from tests import pretend_worker
from tests.served import served
from tests.small_photos import photo, zip_of

PARAMETERS = {
    "subject_id": Prefix.SUBJECT,
    "photo_id": Prefix.ALBUM_PHOTO,
    "checkpoint_id": Prefix.CHECKPOINT,
    "file_id": Prefix.FILE,
    "restoration_id": Prefix.RESTORATION,
    "job_id": Prefix.JOB,
    "batch_id": Prefix.BATCH,
    "endpoint_id": Prefix.WEBHOOK_ENDPOINT,
    "delivery_id": Prefix.DELIVERY,
}
BODIES = {
    ("patch", "/v1/subjects/{subject_id}"): {"json": {"name": "Eve"}},
    ("post", "/v1/subjects/{subject_id}/album"): {"files": {"file": ("a.zip", zip_of(range(5)))}},
    ("patch", "/v1/subjects/{subject_id}/album/{photo_id}"): {"json": {"include": False}},
    ("post", "/v1/subjects/{subject_id}/checkpoints"): {"json": {}},
    ("patch", "/v1/subjects/{subject_id}/checkpoints/{checkpoint_id}"): {"json": {"pinned": True}},
    ("post", "/v1/restorations/{restoration_id}/faces/{face}/selection"): {"json": {"candidate": 0}},
}
OPERATIONS = [(method, path) for path, methods in document()["paths"].items() for method in methods if "{" in path]
LISTS = ("/v1/subjects", "/v1/jobs", "/v1/restorations", "/v1/batches", "/v1/webhook-endpoints")
NAMED_IN_BODIES = ("file_id", "subject_id", "checkpoint_id")


@pytest.fixture(params=["sqlite", "postgres"])
def two(request, tmp_path):
    """A service with Ada's things, and the keys of Ada and Eve."""
    database = request.getfixturevalue(f"{request.param}_database")
    with served(database, tmp_path, require_keys=True) as api:
        ada, eve = api.key("Ada"), api.key("Eve")
        api.client.headers.update(ada)
        yield api, things(api), ada, eve


def things(api):
    subject_id, checkpoint_id = api.tuned()
    failed = api.restoration(mode="direct")["id"]
    pretend_worker.fail(api.database, failed)
    report = api.made("GET", f"/v1/subjects/{subject_id}/album", 200)
    endpoint_id, delivery_id = api.delivered()
    return {
        "subject_id": subject_id,
        "checkpoint_id": checkpoint_id,
        "photo_id": report["photos"][0]["id"],
        "file_id": api.file(),
        "restoration_id": api.restored(),
        "job_id": failed,
        "batch_id": a_batch(api),
        "endpoint_id": endpoint_id,
        "delivery_id": delivery_id,
    }


def a_batch(api):
    """One photo, restored."""
    batch = api.made("POST", "/v1/batches", 202, files={"file": ("a.zip", zip_of(range(1)))}, data={"mode": "direct"})
    pretend_worker.restore(api.database, api.store, batch["restorations"][0]["job_id"])
    return batch["id"]


def filled(path, ids):
    return re.sub(r"\{(\w+)\}", lambda name: str({"face": "0", **ids}[name[1]]), path)


def call(api, method, path, ids, who):
    headers = {**who, "X-Request-Id": "same"}
    return api.client.request(method.upper(), filled(path, ids), headers=headers, **BODIES.get((method, path), {}))


def test_every_operation_with_a_body_is_known_here():
    with_bodies = {(method, path) for method, path in OPERATIONS if "requestBody" in document()["paths"][path][method]}
    assert with_bodies == set(BODIES)


def test_somebody_else_s_is_answered_byte_for_byte_as_what_is_not_there(two):
    api, ids, ada, eve = two
    before = tally(api, ada)
    for method, path in OPERATIONS:
        theirs = call(api, method, path, ids, eve)
        assert theirs.status_code == 404, (method, path, theirs.text)
        assert theirs.json()["code"] == "not_found"
        for name in re.findall(r"\{(\w+_id)\}", path):  # each id by itself may be the one that is not there
            unknown = {**ids, name: new_id(PARAMETERS[name])}
            absent = call(api, method, path, unknown, eve)
            assert absent.status_code == 404, (method, path)
            same = absent.content.replace(unknown[name].encode(), ids[name].encode())
            assert same == theirs.content, (method, path)
            kept = ("content-type", "x-request-id", "www-authenticate", "cache-control", "etag")
            assert [absent.headers.get(name) for name in kept] == [theirs.headers.get(name) for name in kept]
    assert tally(api, ada) == before


def test_the_same_calls_reach_what_is_one_s_own(two):
    api, ids, ada, _ = two
    reads = [(method, path) for method, path in OPERATIONS if method == "get"]
    for method, path in reads:
        assert call(api, method, path, ids, ada).status_code == 200, path


def test_somebody_else_s_named_in_a_body_is_not_there_either(two):
    api, ids, _, eve = two
    mine = api.client.put("/v1/files", content=photo(7), headers=eve).json()["id"]
    bodies = [
        {"input": {"file_id": ids["file_id"]}, "mode": "direct"},
        {"input": {"file_id": mine}, "subject_id": ids["subject_id"]},
        {"input": {"file_id": mine}, "checkpoint_id": ids["checkpoint_id"]},
        {"input": {"file_id": mine}, "faces": [{"index": 1}, {"index": 0, "subject_id": ids["subject_id"]}]},
        {"input": {"file_id": mine}, "faces": [{"index": 0, "checkpoint_id": ids["checkpoint_id"]}]},
    ]
    absent = {ids[name]: new_id(PARAMETERS[name]) for name in NAMED_IN_BODIES}
    for body in bodies:
        headers = {**eve, "X-Request-Id": "same"}
        answer = api.client.post("/v1/restorations", json=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), answer.text
        text = json.dumps(body)
        for theirs, unknown in absent.items():
            text = text.replace(theirs, unknown)
        again = api.client.post("/v1/restorations", json=json.loads(text), headers=headers)
        assert again.content == answer.content
    answer = api.client.post("/v1/faces/detect", json={"file_id": ids["file_id"]}, headers=eve)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    answer = api.client.post("/v1/batches", json={"file_ids": [mine, ids["file_id"]], "mode": "direct"}, headers=eve)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (404, "/file_ids/1")
    subject = {"name": "Eve", "category": "cat"}
    own = api.client.post("/v1/subjects", json=subject, headers=eve).json()["id"]
    answer = api.client.post(f"/v1/subjects/{own}/album", json={"file_ids": [ids["file_id"]]}, headers=eve)
    assert answer.status_code == 404


def test_lists_show_what_is_one_s_own_alone(two):
    api, ids, _, eve = two
    assert set(LISTS) <= set(document()["paths"])
    for path in LISTS:
        assert api.client.get(path, headers=eve).json() == {"data": [], "next_cursor": None}
    for path, name in itertools.product(("/v1/jobs", "/v1/restorations"), ("subject_id",)):
        assert api.client.get(path, params={"subject": ids[name]}, headers=eve).json()["data"] == []


def tally(api, who):
    """How everything stands, so that what must not have moved can be seen not to have."""
    return [api.client.get(path, headers=who).json() for path in LISTS]

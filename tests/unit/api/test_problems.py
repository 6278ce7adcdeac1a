import re

import pytest
from sqlalchemy.exc import OperationalError

from api.errors import STATUSES, status_of
from core.domain import errors
from core.domain.errors import HeirloomError
from tests.served import served

MEMBERS = {
    "type",
    "title",
    "status",
    "detail",
    "instance",
    "code",
    "advice",
    "request_id",
    "retryable",
    "errors",
}


def kinds_of(kind):
    return {kind}.union(*(kinds_of(child) for child in kind.__subclasses__()))


def test_every_error_has_a_status_and_those_of_callers_a_4xx_or_a_retry():
    for kind in kinds_of(HeirloomError):
        status = status_of(kind("what", "advice"))
        assert 400 <= status < 600
        if issubclass(kind, errors.BadInputError):
            assert 400 <= status < 500
    assert set(STATUSES) <= kinds_of(HeirloomError)


def problems(api):
    yield api.client.get("/nowhere"), 404, "not_found"
    yield api.client.get("/v1/jobs/nonsense"), 404, "not_found"
    yield api.client.get("/v1/jobs/%00"), 404, "not_found"
    yield api.client.put("/v1/jobs"), 405, "method_not_allowed"
    yield api.client.post("/v1/subjects", content=b"{", headers={"Content-Type": "application/json"}), 400, None
    yield api.client.post("/v1/subjects", content=b"\xff", headers={"Content-Type": "application/json"}), 400, None
    yield api.client.post("/v1/restorations", content=b"{", headers={"Content-Type": "application/json"}), 400, None
    yield api.client.post("/v1/subjects", content=b"<x/>", headers={"Content-Type": "text/xml"}), 415, None
    yield api.client.post("/v1/subjects", data={"name": "x"}), 415, None
    yield api.client.post("/v1/subjects"), 422, "invalid_request"
    yield api.client.post("/v1/subjects", json={"name": "x" * 2**21}), 413, "body_too_large"
    yield api.client.post("/v1/restorations", json={"mode": "x" * 2**21}), 413, "body_too_large"
    yield api.client.post(f"/v1/subjects/{api.subject()}/album", json={"recipe": "x" * 2**21}), 413, "body_too_large"
    yield api.client.get("/v1/jobs?limit=0"), 422, "invalid_request"


def test_every_refusal_is_a_problem(api):
    for answer, status, code in problems(api):
        problem = answer.json()
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert set(problem) == MEMBERS
        assert problem["status"] == status
        assert problem["code"] == (code or problem["code"])
        assert problem["type"] == f"urn:heirloom:problem:{problem['code']}"
        assert problem["title"]
        assert problem["detail"].endswith((".", "…", "]"))
        assert problem["request_id"] == answer.headers["x-request-id"]
        assert problem["instance"] == answer.request.url.path


def test_a_method_that_is_not_there_says_which_are(api):
    assert api.client.put("/v1/jobs").headers["allow"] == "GET"


def test_what_was_sent_is_not_repeated(api):
    answer = api.client.post("/v1/subjects", json={"name": 7, "category": "secret-canary"})
    assert "canary" not in answer.text


def test_a_request_id_that_is_sent_comes_back_and_another_is_made(api):
    assert api.client.get("/livez", headers={"X-Request-Id": "abc-1.2_3"}).headers["x-request-id"] == "abc-1.2_3"
    for odd in ("", "a b", "x" * 65, "a\tb", 'a"b'):
        made = api.client.get("/livez", headers={"X-Request-Id": odd}).headers["x-request-id"]
        assert re.fullmatch(r"[0-9a-f]{24}", made)


def test_a_fault_of_ours_is_told_without_saying_what_it_was(api, monkeypatch):
    def broken(*_):
        raise RuntimeError("the password is swordfish")

    monkeypatch.setattr("core.services.subjects.create", broken)
    answer = api.client.post("/v1/subjects", json={"name": "Tom", "category": "cat"})
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert answer.headers["content-type"] == "application/problem+json"
    assert "swordfish" not in answer.text
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


def test_a_database_that_does_not_answer_is_a_503_with_a_retry(api, monkeypatch):
    def away(*_):
        raise OperationalError("SELECT 1", {}, Exception("server closed the connection"))

    monkeypatch.setattr("core.services.subjects.listed", away)
    answer = api.client.get("/v1/subjects")
    assert (answer.status_code, answer.json()["code"], answer.json()["retryable"]) == (503, "overloaded", True)
    assert int(answer.headers["retry-after"]) > 0


def test_a_prior_that_is_not_there_is_a_503_that_names_it(sqlite_database, tmp_path):
    with served(sqlite_database, tmp_path, prior="ffhq-256") as api:
        file_id = api.file()
        answer = api.client.post("/v1/restorations", json={"input": {"file_id": file_id}})
        assert (answer.status_code, answer.json()["code"]) == (503, "prior_unavailable")
        assert "ffhq-256" in answer.json()["detail"]


@pytest.mark.parametrize("depth", [10_000, 100_000])
def test_json_that_is_nested_without_end_is_refused(api, depth):
    for path in ("/v1/subjects", "/v1/restorations"):
        answer = api.client.post(path, content=b"[" * depth, headers={"Content-Type": "application/json"})
        assert 400 <= answer.status_code < 500


def test_a_body_that_does_not_say_how_long_it_is_is_cut_off_all_the_same(api):
    def endless():
        yield b'{"name": "'
        for _ in range(64):
            yield b"x" * 2**16

    for path in ("/v1/subjects", "/v1/restorations"):
        answer = api.client.post(path, content=endless(), headers={"Content-Type": "application/json"})
        assert "content-length" not in answer.request.headers
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")

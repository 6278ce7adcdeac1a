import hashlib
import re

import pytest

from tests.served import served

WRONG = {"Authorization": f"Bearer hl_{'0' * 26}_{'x' * 40}"}


@pytest.fixture
def limited(sqlite_database, tmp_path):
    """Makes a served application with keys and small limits."""
    stack = []

    def make(**limits):
        context = served(sqlite_database, tmp_path, require_keys=True, **limits)
        stack.append(context)
        return context.__enter__()

    yield make
    for context in stack:
        context.__exit__(None, None, None)


def statuses(api, count, headers, path="/v1/jobs"):
    return [api.client.get(path, headers=headers).status_code for _ in range(count)]


def test_a_key_that_asks_too_often_is_told_when_to_come_back_and_another_is_not(limited):
    api = limited(requests_per_minute_per_key=5)
    first, second = api.key("studio"), api.key("studio")
    assert statuses(api, 6, first) == [200] * 5 + [429]
    answer = api.client.post("/v1/subjects", json={}, headers=first)
    assert (answer.status_code, answer.json()["code"], answer.json()["retryable"]) == (429, "quota_exceeded", True)
    assert 1 <= int(answer.headers["retry-after"]) <= 12
    assert answer.headers["ratelimit-policy"] == '"key";q=5;w=60'
    assert re.fullmatch(r'"key";r=0;t=\d+', answer.headers["ratelimit"])
    assert statuses(api, 1, second) == [200]


def test_every_answer_says_what_is_left(limited):
    api = limited(requests_per_minute_per_key=10)
    headers = api.key("studio")
    left = [api.client.get(path, headers=headers).headers["ratelimit"] for path in ("/v1/jobs", "/v1/jobs/job_x")]
    assert [int(re.search(r"r=(\d+)", said)[1]) for said in left] == [9, 8]


def test_an_address_that_asks_too_often_is_refused_before_its_key_is_looked_at(limited, monkeypatch):
    api = limited(requests_per_minute_per_address=3)
    headers = api.key("studio")
    assert statuses(api, 3, headers) == [200] * 3
    monkeypatch.setattr(api.database, "read", None)
    answer = api.client.get("/v1/jobs", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (429, "quota_exceeded")
    assert answer.headers["ratelimit-policy"] == '"address";q=3;w=60'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert answer.json()["instance"] == "/v1/jobs"
    assert api.client.get("/livez").status_code == 200  # probes are not counted


def test_an_address_that_tries_keys_is_soon_not_listened_to_and_who_had_a_right_one_is(limited):
    api = limited(failed_keys_per_minute=4)
    known, unknown = api.key("studio"), api.key("studio")
    assert statuses(api, 1, known) == [200]
    assert statuses(api, 5, WRONG) == [401] * 4 + [429]
    assert statuses(api, 1, unknown) == [429]  # whether it is right nobody learns now
    assert statuses(api, 5, known) == [200] * 5
    assert statuses(api, 1, {}) == [401]  # no key is no try
    assert statuses(api, 1, WRONG, "/metrics") == [429]


def test_a_wrong_key_that_was_never_right_does_not_pass_by_its_id(limited):
    api = limited(failed_keys_per_minute=2)
    headers = api.key("studio")
    assert statuses(api, 1, headers) == [200]
    forged = {"Authorization": headers["Authorization"][:-10] + "a" * 10}
    assert statuses(api, 4, forged) == [401, 401, 429, 429]


def test_no_key_is_kept_in_memory_as_it_was_sent(limited):
    api = limited()
    headers = api.key("studio")
    statuses(api, 1, headers)
    token = headers["Authorization"].removeprefix("Bearer ")
    (kept,) = api.client.app.state.service.rates._known
    assert kept == hashlib.sha256(token.encode()).digest()


def test_behind_a_proxy_of_ours_each_caller_has_a_rate_of_their_own(limited):
    api = limited(requests_per_minute_per_address=2, trusted_proxies="10.0.0.0/8")
    headers = api.key("studio")
    api.client._transport.client = ("10.1.1.1", 1)
    ada, eve = headers | {"X-Forwarded-For": "203.0.113.1"}, headers | {"X-Forwarded-For": "203.0.113.2"}
    assert statuses(api, 3, ada) == [200, 200, 429]
    assert statuses(api, 2, eve) == [200, 200]


def test_who_is_not_our_proxy_has_one_rate_whatever_it_says(limited):
    api = limited(requests_per_minute_per_address=2)
    headers = api.key("studio")
    said = [headers | {"X-Forwarded-For": f"203.0.113.{number}"} for number in range(3)]
    assert [statuses(api, 1, each) for each in said] == [[200], [200], [429]]


def test_without_keys_nobody_is_counted(sqlite_database, tmp_path):
    limits = {"requests_per_minute_per_address": 1, "requests_per_minute_per_key": 1, "failed_keys_per_minute": 1}
    with served(sqlite_database, tmp_path, **limits) as api:
        assert statuses(api, 5, {}) == [200] * 5
        assert "ratelimit" not in api.client.get("/v1/jobs").headers


def test_a_limit_of_zero_is_none(limited):
    api = limited(requests_per_minute_per_address=0, requests_per_minute_per_key=0, failed_keys_per_minute=0)
    assert statuses(api, 50, WRONG) == [401] * 50
    headers = api.key("studio")
    assert statuses(api, 20, headers) == [200] * 20

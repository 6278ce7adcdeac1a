"""What browsers are told of every answer."""

import pytest

from core.db.session import Database
from tests.served import served

ALWAYS = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; form-action 'none'; sandbox",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY",
}
ABSENT = "sub_" + "0" * 26


def said(answer):
    return {name: answer.headers.get(name) for name in ALWAYS}


@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("GET", "/v1/jobs", {}, 200),
        ("GET", "/openapi.json", {}, 200),
        ("GET", "/livez", {}, 200),
        ("GET", f"/v1/subjects/{ABSENT}", {}, 404),
        ("GET", "/nowhere", {}, 404),
        ("PUT", "/v1/jobs", {}, 405),
        ("POST", "/v1/subjects", {"content": b"{", "headers": {"Content-Type": "application/json"}}, 400),
        ("POST", "/v1/subjects", {"json": {}}, 422),
        ("GET", "/v1/jobs", {"headers": {"Host": "evil.example"}}, 403),
    ],
)
def test_every_answer_tells_browsers_to_do_nothing_with_it(api, method, path, options, status):
    answer = api.client.request(method, path, **options)
    assert answer.status_code == status
    assert said(answer) == ALWAYS
    assert answer.headers["cache-control"] == "no-store"
    assert "strict-transport-security" not in answer.headers


def test_what_nobody_foresaw_is_told_so_too(tmp_path, api, monkeypatch):
    monkeypatch.setattr(api.client.app.state.service, "writes", None)
    answer = api.client.post("/v1/subjects", json={})
    assert (answer.status_code, said(answer)) == (500, ALWAYS)
    with served(Database(f"sqlite:///{tmp_path}/absent/heirloom.db"), tmp_path) as away:
        answer = away.client.get("/v1/jobs")
    assert (answer.status_code, said(answer)) == (503, ALWAYS)


def test_what_somebody_sent_is_saved_and_never_shown(api):
    answer = api.client.get(f"/v1/files/{api.file()}/content")
    assert answer.headers["content-disposition"].startswith("attachment; ")
    assert answer.headers["cache-control"] == "private, no-cache"  # asked for again, and answered 304
    assert said(answer) == ALWAYS
    again = api.client.get(answer.request.url.path, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, said(again)) == (304, ALWAYS)


def test_https_is_insisted_on_where_the_operator_says_so(sqlite_database, tmp_path):
    with served(sqlite_database, tmp_path, https=True) as api:
        assert api.client.get("/livez").headers["strict-transport-security"] == "max-age=31536000"

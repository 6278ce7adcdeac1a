from datetime import UTC, datetime, timedelta

import pytest

from core.db.tables import ApiKey
from core.services import keys
from core.services.access import Scope
from tests.served import served


def test_without_a_key_nothing_is_told(keyed):
    for path in ("/v1/subjects", "/v1/jobs", "/v1/system", "/metrics", "/v1/subjects/sub_unknown"):
        answer = keyed.client.get(path)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.json()["code"] == "unauthenticated"
        assert "heirloom keys create" in answer.json()["advice"]


def test_a_key_reaches_its_owner_s_things_and_two_keys_of_one_owner_the_same(keyed):
    first, second = keyed.key("studio"), keyed.key("studio")
    made = keyed.client.post("/v1/subjects", json={"name": "Tom", "category": "cat"}, headers=first)
    assert made.status_code == 201
    assert keyed.client.get(made.headers["location"], headers=second).json() == made.json()


@pytest.mark.parametrize("change", [lambda token: token[:-1] + ("a" if token[-1] != "a" else "b"), lambda _: "hl_x_y"])
def test_a_wrong_key_is_refused_without_telling_what_is_wrong_with_it(keyed, change):
    token = keyed.key("studio")["Authorization"].removeprefix("Bearer ")
    answer = keyed.client.get("/v1/jobs", headers={"Authorization": f"Bearer {change(token)}"})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert token not in answer.text


@pytest.mark.parametrize("header", ["Basic dXNlcg==", "Bearer", "Bearer ", "", "hl_x"])
def test_another_kind_of_authorization_is_no_key(keyed, header):
    assert keyed.client.get("/v1/jobs", headers={"Authorization": header}).status_code == 401


def test_a_revoked_key_and_one_that_is_over_are_not_known_any_more(keyed):
    revoked, over = keyed.key("studio"), keyed.key("studio")
    with keyed.database.write() as session:
        first, second = session.query(ApiKey).order_by(ApiKey.created_at).all()
        keys.revoke(session, first.id)
        second.expires_at = datetime.now(UTC) - timedelta(seconds=1)
    for headers in (revoked, over):
        assert keyed.client.get("/v1/jobs", headers=headers).status_code == 401


def test_a_key_does_only_what_its_scopes_cover(keyed):
    reader, writer, admin = (keyed.key("studio", scope) for scope in (Scope.READ, Scope.WRITE, Scope.ADMIN))
    body = {"name": "Tom", "category": "cat"}
    assert keyed.client.post("/v1/subjects", json=body, headers=reader).status_code == 403
    assert keyed.client.get("/v1/subjects", headers=reader).status_code == 200
    assert keyed.client.post("/v1/subjects", json=body, headers=writer).status_code == 201
    answer = keyed.client.get("/v1/subjects", headers=writer)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert keyed.client.post("/v1/subjects", json=body, headers=admin).status_code == 201
    assert keyed.client.get("/v1/subjects", headers=admin).status_code == 200


def test_the_use_of_a_key_is_noted(keyed):
    headers = keyed.key("studio")
    keyed.client.get("/v1/jobs", headers=headers)
    with keyed.database.read() as session:
        first = session.query(ApiKey).one().last_used_at
    assert first is not None
    keyed.client.get("/v1/jobs", headers=headers)
    with keyed.database.read() as session:
        assert session.query(ApiKey).one().last_used_at == first  # a minute has not passed: nothing is written


def test_a_secret_stands_nowhere_in_the_database(keyed):
    _, _, token = keyed.key("studio")["Authorization"].split("_", 2)  # the secret itself may have underscores
    with keyed.database.read() as session:
        row = session.query(ApiKey).one()
    assert token not in str(vars(row))


def test_a_key_is_checked_where_none_is_needed_too(api):
    assert api.client.get("/v1/jobs", headers={"Authorization": "Bearer hl_wrong"}).status_code == 401


STRANGERS = [
    "evil.example",
    "evil.example:8000",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "[::2]",
    "[::1",
    "0.0.0.0",  # noqa: S104  # a name by which some browsers reach loopback
    "",
]


@pytest.mark.parametrize("host", STRANGERS)
def test_without_keys_only_loopback_names_are_answered(api, host):
    answer = api.client.get("/v1/jobs", headers={"Host": host})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:8000", "[::1]:8000", "[::1]", "LOCALHOST"])
def test_loopback_s_names_are_answered(api, host):
    assert api.client.get("/v1/jobs", headers={"Host": host}).status_code == 200


def test_without_keys_a_page_of_another_site_may_not_act_as_its_reader(api):
    for origin in ("https://evil.example", "null", "http://localhost:3000", "http://localhost.evil.example"):
        answer = api.client.get("/v1/jobs", headers={"Origin": origin})
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert api.client.get("/v1/jobs", headers={"Origin": "http://localhost"}).status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:3000", "http://[::1]", ""])
def test_another_site_s_page_changes_nothing_here_whatever_it_sends(api, origin):
    """Forms and plain-text bodies are sent without asking first."""
    job = api.restoration(mode="direct")
    for method, path in (
        ("POST", job["links"]["cancel"]),
        ("POST", "/v1/subjects"),
        ("PUT", "/v1/files"),
        ("DELETE", f"/v1/restorations/{job['restoration_id']}"),
        ("OPTIONS", "/v1/subjects"),
    ):
        answer = api.client.request(method, path, headers={"Origin": origin, "Content-Type": "text/plain"})
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), (method, path)
    assert api.client.get(job["links"]["self"]).json()["status"] == "queued"


def test_a_page_of_the_service_s_own_address_may_call_it(api):
    for host in ("[::1]:8000", "127.0.0.1:8000", "localhost"):
        body = {"name": "Tom", "category": "cat"}
        headers = {"Host": host, "Origin": f"http://{host}"}
        assert api.client.post("/v1/subjects", json=body, headers=headers).status_code == 201, host
    other_port = {"Host": "127.0.0.1:8000", "Origin": "http://127.0.0.1:9000"}
    assert api.client.post("/v1/subjects", json=body, headers=other_port).status_code == 403


def test_a_server_answers_to_the_names_that_its_operator_lists_and_probes_to_any(sqlite_database, tmp_path):
    with served(sqlite_database, tmp_path, require_keys=True, allowed_hosts=["photos.example"]) as api:
        headers = api.key("studio")
        assert api.client.get("/v1/jobs", headers=headers | {"Host": "photos.example:443"}).status_code == 200
        assert api.client.get("/v1/jobs", headers=headers | {"Host": "other.example"}).status_code == 403
        assert api.client.get("/livez", headers={"Host": "10.0.0.7:8000"}).status_code == 200


def test_names_that_are_listed_come_beside_loopback_s_and_the_server_s_own(sqlite_database, tmp_path):
    with served(sqlite_database, tmp_path, host="127.0.0.2", allowed_hosts=["photos.example"]) as api:
        for host in ("127.0.0.2:8000", "localhost:8000", "127.0.0.1", "[::1]:8000", "photos.example"):
            assert api.client.get("/v1/jobs", headers={"Host": host}).status_code == 200, host
        assert api.client.get("/v1/jobs", headers={"Host": "127.0.0.3:8000"}).status_code == 403


def test_a_server_with_keys_answers_to_any_name_where_none_is_listed(keyed):
    headers = keyed.key("studio") | {"Host": "anything.example", "Origin": "https://elsewhere.example"}
    assert keyed.client.get("/v1/jobs", headers=headers).status_code == 200

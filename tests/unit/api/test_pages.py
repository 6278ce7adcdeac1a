import base64
import re

import pytest

from api.pages import _cursor_of


def test_pages_show_everything_once_newest_first(api):
    made = [api.subject(f"number {n}") for n in range(7)]
    seen, path = [], "/v1/subjects?limit=3"
    sizes = []
    while path:
        answer = api.client.get(path)
        page = answer.json()
        sizes.append(len(page["data"]))
        seen += [subject["id"] for subject in page["data"]]
        link = re.fullmatch(r'<(/v1/subjects\?[^>]+)>; rel="next"', answer.headers.get("link", ""))
        assert (link is not None) == (page["next_cursor"] is not None)
        path = link[1] if link else None
    assert sizes == [3, 3, 1]
    assert seen == sorted(made, reverse=True)


def test_the_link_carries_what_was_asked_along(api):
    for _ in range(3):
        api.restoration(mode="direct")
    answer = api.client.get("/v1/jobs", params={"limit": 2, "status": "queued", "kind": "restoration"})
    link = answer.headers["link"]
    assert "status=queued" in link
    assert "kind=restoration" in link
    rest = api.made("GET", "/v1/jobs", 200, params={"limit": 2, "cursor": answer.json()["next_cursor"]})
    assert len(rest["data"]) == 1
    assert rest["next_cursor"] is None


def test_a_page_that_is_just_full_is_the_last_one(api):
    api.subject()
    assert api.made("GET", "/v1/subjects?limit=1", 200)["next_cursor"] is None


def test_what_is_made_while_somebody_turns_pages_shifts_nothing(api):
    for n in range(4):
        api.subject(f"number {n}")
    first = api.made("GET", "/v1/subjects?limit=2", 200)
    api.subject("newcomer")
    second = api.made("GET", "/v1/subjects", 200, params={"limit": 2, "cursor": first["next_cursor"]})
    names = {subject["name"] for subject in first["data"] + second["data"]}
    assert names == {"number 0", "number 1", "number 2", "number 3"}


@pytest.mark.parametrize("limit", ["0", "101", "-1", "x", "1.5"])
def test_a_limit_out_of_range_is_refused(api, limit):
    answer = api.client.get("/v1/jobs", params={"limit": limit})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["detail"].startswith("limit: ")


@pytest.mark.parametrize("cursor", ["", "x", "%00", "äöü", "AAAA", _cursor_of("'; DROP TABLE jobs"), "x" * 200])
def test_a_cursor_that_is_not_ours_is_refused(api, cursor):
    assert api.client.get("/v1/jobs", params={"cursor": cursor}).status_code == 422


def test_a_cursor_of_another_list_is_harmless(api):
    made = api.subject()
    cursor = base64.urlsafe_b64encode(made.encode()).decode().rstrip("=")
    api.made("GET", "/v1/jobs", 200, params={"cursor": cursor})

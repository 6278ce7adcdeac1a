import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from core.db.session import Database
from core.services.access import Scope, authenticate


@pytest.fixture
def made(heirloom):
    """A key of the studio's, as it was printed."""
    code, out, err = heirloom("keys", "create", "--owner", "studio", "--name", "desk", "--days", 7, "--json")
    assert code == 0, err
    return json.loads(out)


@pytest.fixture
def caller_of(home):
    """Who the service takes a key's bearer for."""

    def ask(token):
        database = Database(f"sqlite:///{home}/heirloom.db")
        try:
            with database.read() as session:
                return authenticate(session, token)
        finally:
            database.close()

    return ask


def test_a_key_opens_its_owner_s_things(made, caller_of):
    caller = caller_of(made["key"])
    assert caller.owner_id == made["owner_id"]
    assert caller.scopes == {Scope.READ, Scope.WRITE}
    assert made["owner"] == "studio"
    until = datetime.fromisoformat(made["expires_at"])
    assert timedelta(days=6) < until - datetime.now(UTC) <= timedelta(days=7)


def test_a_second_key_of_an_owner_reaches_the_same_things(heirloom, made):
    _, out, _ = heirloom("keys", "create", "--owner", "studio", "--scope", "admin", "--json")
    second = json.loads(out)
    assert second["owner_id"] == made["owner_id"]
    assert second["scopes"] == ["admin"]
    assert second["expires_at"] is None
    assert second["key"] != made["key"]


def test_people_get_the_key_on_standard_output_and_the_rest_on_standard_error(heirloom):
    code, out, err = heirloom("keys", "create", "--owner", "studio")
    assert code == 0
    assert re.fullmatch(r"hl_\w{26}_[\w-]{40,}\n", out)
    assert "it is not shown again" in err
    assert out.strip() not in err


def test_the_list_shows_keys_without_what_makes_them_work(heirloom, made):
    _, out, _ = heirloom("keys", "list", "--json")
    (row,) = json.loads(out)
    assert row == {name: value for name, value in made.items() if name != "key"}
    _, out, err = heirloom("keys", "list")
    assert out == ""
    assert f"{made['id']} studio desk read write" in err
    assert "used never" in err
    assert made["key"].rpartition("_")[2] not in err


def test_a_revoked_key_is_no_key_any_more(heirloom, made, caller_of):
    code, out, _ = heirloom("keys", "revoke", made["id"], "--json")
    assert code == 0
    assert json.loads(out)["id"] == made["id"]
    with pytest.raises(Exception, match="This key is not known"):
        caller_of(made["key"])
    assert "revoked" in heirloom("keys", "list")[2]


def test_an_id_that_is_none_is_one_line_that_says_where_to_look(heirloom, home):
    code, out, err = heirloom("keys", "revoke", "key_nobody", "--json")
    assert code == 1
    assert "There is no key key_nobody. `heirloom keys list` shows them." in err
    assert json.loads(out)["error"]["code"] == "not_found"


def test_where_there_are_no_keys_the_list_says_how_to_make_one(heirloom):
    assert "heirloom keys create --owner" in heirloom("keys", "list")[2]

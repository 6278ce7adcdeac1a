from datetime import timedelta

import pytest

from core.db.session import now_of
from core.domain.errors import ForbiddenError, InvalidRequestError, NotFoundError, UnauthenticatedError
from core.services import access, keys
from core.services.access import Caller, Scope


@pytest.fixture
def session(database):
    with database.write() as opened:
        yield opened


def test_a_token_finds_its_owner_and_scopes(session):
    key, token = keys.create(session, "studio", "laptop", [Scope.READ])
    caller = access.authenticate(session, token)
    assert caller == Caller(key.owner_id, frozenset({Scope.READ}), key.id, None)
    assert token.startswith(f"hl_{key.id.removeprefix('key_')}_")


def test_keys_of_one_name_are_of_one_owner_and_each_has_its_own_secret(session):
    (first, one), (second, two) = (keys.create(session, "studio", name) for name in "ab")
    assert first.owner_id == second.owner_id
    assert one != two
    assert keys.create(session, "other", "c")[0].owner_id != first.owner_id
    listed = {(key.name, owner.name) for key, owner in keys.listed(session)}
    assert listed == {("a", "studio"), ("b", "studio"), ("c", "other")}


def test_only_a_hash_of_the_secret_is_kept(session):
    key, token = keys.create(session, "studio", "laptop")
    secret = token.split("_", 2)[2]
    assert key.secret_sha256 == access.hash_of(secret)
    assert secret not in str(vars(key))


@pytest.mark.parametrize("token", [None, "", "hl_", "hl_x_y", "Bearer hl_x", "hl_" + "0" * 26 + "_" + "a" * 43])
def test_what_is_no_key_of_ours_is_nobody_s(session, token):
    with pytest.raises(UnauthenticatedError) as refused:
        access.authenticate(session, token)
    assert "heirloom keys create" in refused.value.advice


def test_another_key_s_secret_does_not_fit(session):
    (_, one), (_, two) = keys.create(session, "a", "a"), keys.create(session, "b", "b")
    mixed = f"hl_{one.split('_', 2)[1]}_{two.split('_', 2)[2]}"
    with pytest.raises(UnauthenticatedError):
        access.authenticate(session, mixed)


def test_a_revoked_key_is_nobody_s_and_may_be_revoked_again(session):
    key, token = keys.create(session, "studio", "laptop")
    at = keys.revoke(session, key.id).revoked_at
    assert keys.revoke(session, key.id).revoked_at == at
    with pytest.raises(UnauthenticatedError):
        access.authenticate(session, token)
    with pytest.raises(NotFoundError, match="no key"):
        keys.revoke(session, "key_unknown")


def test_a_key_ends_when_it_was_said_to(session):
    now = now_of(session)
    key, token = keys.create(session, "studio", "laptop", expires_at=now + timedelta(hours=1))
    access.authenticate(session, token)
    key.expires_at = now - timedelta(seconds=1)
    session.flush()
    with pytest.raises(UnauthenticatedError):
        access.authenticate(session, token)


def test_a_key_that_could_do_nothing_is_not_made(session):
    with pytest.raises(InvalidRequestError):
        keys.create(session, "studio", "laptop", [])
    with pytest.raises(InvalidRequestError):
        keys.create(session, "studio", "laptop", expires_at=now_of(session))


@pytest.mark.parametrize(
    ("scopes", "wanted", "allowed"),
    [
        ({Scope.READ}, Scope.READ, True),
        ({Scope.READ}, Scope.WRITE, False),
        ({Scope.WRITE}, Scope.READ, False),
        ({Scope.ADMIN}, Scope.WRITE, True),
        (set(), Scope.READ, False),
    ],
)
def test_admin_covers_the_others_and_nothing_else_does(scopes, wanted, allowed):
    caller = Caller("own_x", frozenset(scopes))
    if allowed:
        caller.require(wanted)
        return
    with pytest.raises(ForbiddenError, match=str(wanted)):
        caller.require(wanted)

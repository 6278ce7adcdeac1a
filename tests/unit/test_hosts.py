import pytest

from core.hosts import host_name, is_loopback


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("Photos.Example.org", "photos.example.org"),
        (" photos ", "photos"),
        ("127.0.0.2", "127.0.0.2"),
        ("::1", "[::1]"),
        ("[2001:DB8::1]", "[2001:db8::1]"),
    ],
)
def test_a_host_is_written_as_requests_carry_it(given, name):
    assert host_name(given) == name


@pytest.mark.parametrize(
    "given", ["", "https://photos.example", "photos.example:443", '["photos.example"]', "a b", "*"]
)
def test_what_no_request_could_carry_is_refused(given):
    with pytest.raises(ValueError, match="is no host name"):
        host_name(given)


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("0.0.0.0", False),  # noqa: S104  # that is the case in hand
        ("192.0.2.1", False),
        ("127.evil.example", False),
    ],
)
def test_loopback_is_known_by_its_address(host, ours):
    assert is_loopback(host) is ours

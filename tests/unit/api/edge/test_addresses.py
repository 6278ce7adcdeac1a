from ipaddress import ip_network

import pytest

from api.edge.addresses import Addresses

PROXIES = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]


def of(peer, *forwarded, trusted=PROXIES):
    headers = [(b"x-forwarded-for", line.encode()) for line in forwarded]
    return Addresses(trusted).of({"client": (peer, 1), "headers": headers})


def test_nobody_is_believed_by_default():
    assert of("127.0.0.1", "203.0.113.9", trusted=[]) == "127.0.0.1"
    assert of("198.51.100.1", "203.0.113.9") == "198.51.100.1"


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        (["203.0.113.9"], "203.0.113.9"),
        (["1.1.1.1, 203.0.113.9"], "203.0.113.9"),  # what stands before it anybody may have written
        (["1.1.1.1", "203.0.113.9, 10.2.2.2"], "203.0.113.9"),  # two proxies of ours, two lines
        (["10.3.3.3, 10.2.2.2"], "10.3.3.3"),
        (["203.0.113.9, nonsense"], "10.1.1.1"),
        ([""], "10.1.1.1"),
        ([], "10.1.1.1"),
        (["203.0.113.9:1234"], "10.1.1.1"),  # not what the header holds
    ],
)
def test_a_proxy_of_ours_says_for_whom_it_speaks(forwarded, address):
    assert of("10.1.1.1", *forwarded) == address
    assert of("::ffff:10.1.1.1", *forwarded).removeprefix("::ffff:") == address


def test_of_ipv6_the_network_is_the_caller():
    assert of("2001:db8:1:2::1", trusted=[]) == of("2001:db8:1:2:ffff::9", trusted=[]) == "2001:db8:1:2::/64"
    assert of("2001:db8:1:3::1", trusted=[]) != of("2001:db8:1:2::1", trusted=[])
    assert of("fd00::1", "2001:db8::5") == "2001:db8::/64"
    assert of("fe80::1%eth0", trusted=[]) == "fe80::/64"


def test_what_is_no_address_is_a_caller_too():
    assert of("testclient") == "testclient"
    assert Addresses(PROXIES).of({"client": None, "headers": []}) == ""

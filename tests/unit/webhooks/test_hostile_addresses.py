"""However an address is written, nothing private is connected to: a recording connector is there to see."""

from ipaddress import ip_address, ip_network

import pytest

from core.domain.errors import AddressRefusedError
from core.webhooks.address import parse
from core.webhooks.guard import AddressGuard, is_public
from core.webhooks.outbound import Outbound
from tests.hostile_addresses import URLS, resolve

PUBLIC = ("93.184.216.34", "8.8.8.8", "1.1.1.1", "2606:2800:220:1:248:1893:25c8:1946", "2001:4860:4860::8888")


class Recorder:
    """Connects to nothing, and remembers to what."""

    def __init__(self):
        self.connected = []

    def __call__(self, address, port, _seconds):
        self.connected.append((address, port))
        raise ConnectionRefusedError


def attempt(url, connect, resolver=resolve, guard=None):
    try:
        address = parse(url)
    except AddressRefusedError:
        return "refused"
    return Outbound(guard or AddressGuard(), resolver, connect).post(address, {}, b"{}").code


@pytest.mark.parametrize("networks", [(), ("10.99.0.0/16",)], ids=["nothing listed", "another network listed"])
def test_no_hostile_address_leads_anywhere(networks):
    assert len(URLS) >= 60
    connect = Recorder()
    guard = AddressGuard(tuple(map(ip_network, networks)))
    codes = {url: attempt(url, connect, guard=guard) for url in URLS}
    assert connect.connected == []
    assert set(codes.values()) <= {"refused", "address_refused", "name_not_found"}


@pytest.mark.parametrize("host", PUBLIC)
def test_public_addresses_are_connected_to(host):
    connect = Recorder()
    url = f"https://[{host}]/" if ":" in host else f"https://{host}/"
    assert attempt(url, connect) == "connection_failed"
    assert connect.connected == [(host, 443)]


def test_a_name_that_means_something_else_a_moment_later_changes_nothing():
    answers = [["93.184.216.34"], ["127.0.0.1"], ["127.0.0.1"]]
    connect = Recorder()
    attempt("https://rebinding.example.org/", connect, lambda *_: answers.pop(0))
    assert connect.connected == [("93.184.216.34", 443)]
    assert len(answers) == 2  # it was asked once
    assert attempt("https://rebinding.example.org/", connect, lambda *_: answers.pop(0)) == "address_refused"
    assert len(connect.connected) == 1


def test_every_address_of_a_name_must_be_public_and_those_are_tried_in_turn():
    connect = Recorder()
    both = ["93.184.216.34", "8.8.8.8"]
    attempt("https://two.example.org/", connect, lambda *_: both)
    assert [address for address, _ in connect.connected] == both
    for private in ("10.0.0.1", "::1", "::ffff:8.8.8.8"):
        assert attempt("https://two.example.org/", connect, lambda *_, one=private: [*both, one]) == "address_refused"
    assert len(connect.connected) == 2


def test_what_the_operator_lists_is_reached_and_its_neighbour_is_not():
    connect = Recorder()
    guard = AddressGuard((ip_network("10.1.2.0/24"), ip_network("fd00::/8")))
    for url in ("http://10.1.2.3/", "https://10.1.2.3:8443/", "http://[fd00::5]/"):
        assert attempt(url, connect, guard=guard) == "connection_failed"
    assert connect.connected == [("10.1.2.3", 80), ("10.1.2.3", 8443), ("fd00::5", 80)]
    for url in ("http://10.1.3.1/", "https://10.1.1.255/", "https://127.0.0.1/", "https://[::ffff:10.1.2.3]/"):
        assert attempt(url, connect, guard=guard) == "address_refused"
    assert attempt("http://93.184.216.34/", connect, guard=guard) == "address_refused"  # in the clear over the internet
    assert len(connect.connected) == 3


def test_our_table_is_no_more_generous_than_the_standard_library_s():
    candidates = [ip_address(f"{first}.{second}.0.9") for first in range(256) for second in (0, 64, 88, 127, 168, 254)]
    candidates += [ip_address((first << 112) + 9) for first in range(0, 65_536, 97)]
    for address in candidates:
        if is_public(address):
            assert address.is_global, address
            assert not address.is_multicast, address
    assert sum(map(is_public, candidates)) > 1_000
    generous = [one for one in ("::127.0.0.1", "64:ff9b::7f00:1", "ff0e::1", "224.0.0.1") if ip_address(one).is_global]
    assert generous  # the reason for a table of our own
    assert not any(is_public(ip_address(one)) for one in generous)


def test_an_address_is_taken_apart_as_it_is_written():
    address = parse("HTTPS://Photos.Example.ORG:8443/a/b?c=d&e=%2F")
    assert address.origin == ("https", "photos.example.org", 8443)
    assert (address.target, address.host_header) == ("/a/b?c=d&e=%2F", "photos.example.org:8443")
    assert parse("https://example.org?x").target == "/?x"
    assert parse("https://[2001:DB8::0:1]:443/").host_header == "[2001:db8::1]"


def test_a_resolver_s_odd_answers_are_no_address():
    def broken(*_):
        raise UnicodeError("label too long")

    connect = Recorder()
    assert attempt("https://example.org/", connect, broken) == "name_not_found"
    assert attempt("https://example.org/", connect, lambda *_: []) == "address_refused"
    assert connect.connected == []


def test_the_machine_s_own_resolver_gives_addresses_and_not_names():
    from core.webhooks.outbound import resolve as real

    found = real("localhost", 443)
    assert found
    assert all(ip_address(one).is_loopback for one in found)

"""Whose request it is by its address, where proxies stand in between."""

import ipaddress
from collections.abc import Collection
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network

from starlette.types import Scope

_IPV6_PREFIX = 64
"""What one household, or one machine, is given of IPv6: its addresses are one caller's."""


class Addresses:
    """Says where requests come from."""

    def __init__(self, trusted_proxies: Collection[IPv4Network | IPv6Network]) -> None:
        """Of others than these no word is believed on whom they speak for."""
        self._trusted = tuple(trusted_proxies)
        self._is_trusted = lru_cache(1024)(self._looked_up)

    def of(self, scope: Scope) -> str:
        """The address that limits are kept by: of IPv6 the network of one caller.

        Behind trusted proxies it is the last one in X-Forwarded-For that is not itself a trusted proxy's: what stands
        before that, the caller may have written.
        """
        client = scope.get("client")
        peer = client[0] if client else ""
        if not self._trusted or not self._is_trusted(peer):
            return grouped(peer)
        lines = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
        for said in reversed(b",".join(lines).decode("latin-1").split(",")):
            address = said.strip()
            if not _is_address(address):
                break
            peer = address
            if not self._is_trusted(address):
                break
        return grouped(peer)

    def _looked_up(self, text: str) -> bool:
        try:
            address = _plain(text)
        except ValueError:
            return False
        return any(address in network for network in self._trusted if network.version == address.version)


@lru_cache(4096)
def grouped(text: str) -> str:
    """An address as limits are kept by it; what is none, as it is."""
    try:
        address = _plain(text)
    except ValueError:
        return text
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network((address.packed, _IPV6_PREFIX), strict=False))


def _plain(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    address = ipaddress.ip_address(text.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _is_address(text: str) -> bool:
    try:
        _plain(text)
    except ValueError:
        return False
    return True

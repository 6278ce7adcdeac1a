"""Which IP addresses a webhook may go to: the public ones, and what the operator lists.

`ipaddress.is_global` is no such check: it is true for ::127.0.0.1, for NAT64 and for multicast. So these are the
registries' own tables (IANA: IPv4 and IPv6 special-purpose addresses, RFC 6890): IPv4 without every range that
is for something special, and of IPv6 the one eighth that is handed out at all, without what embeds an IPv4 address.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from core.domain.errors import AddressRefusedError
from core.webhooks.address import WebhookAddress

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
_SPECIAL_V4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this network: many systems take it for themselves
            "10.0.0.0/8",  # private
            "100.64.0.0/10",  # behind a provider's NAT
            "127.0.0.0/8",  # loopback
            "169.254.0.0/16",  # link-local: clouds' metadata services
            "172.16.0.0/12",  # private
            "192.0.0.0/24",  # protocol assignments
            "192.0.2.0/24",  # documentation
            "192.31.196.0/24",  # AS112
            "192.52.193.0/24",  # AMT
            "192.88.99.0/24",  # 6to4 relays, given up
            "192.168.0.0/16",  # private
            "192.175.48.0/24",  # AS112
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, and broadcast
        ),
    )
)
_UNICAST_V6 = IPv6Network("2000::/3")
"""All that is handed out. Outside lie loopback, IPv4-mapped and -compatible, NAT64, private, link-local, multicast."""
_SPECIAL_V6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments: Teredo, which embeds IPv4, and ORCHID among them
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4, which embeds IPv4
            "2620:4f:8000::/48",  # AS112
            "3fff::/20",  # documentation
        ),
    )
)


def is_public(address: Address) -> bool:
    """Whether an address is a single machine's on the public internet."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _SPECIAL_V4)
    if address.scope_id is not None:
        return False
    return address in _UNICAST_V6 and not any(address in network for network in _SPECIAL_V6)


@dataclass(frozen=True)
class AddressGuard:
    """What the operator lets through.

    Attributes:
        networks: whose addresses may be reached although they are not public; there http will do.
    """

    networks: Sequence[Network] = ()

    def check_written(self, address: WebhookAddress, pointer: str = "") -> None:
        """Refuse what can be seen to be wrong before any name is looked up.

        Raises:
            AddressRefusedError: http, where it could go nowhere; or an IP address that may not be reached.
        """
        if address.scheme == "http" and not self.networks:
            raise AddressRefusedError("Webhooks go over https.", "Write https://….", pointer=pointer)
        if address.literal is not None:
            self.check_reached(address, [str(address.literal)], pointer)

    def check_reached(self, address: WebhookAddress, resolved: Sequence[str], pointer: str = "") -> None:
        """Refuse where one of the addresses that a name has may not be reached: it is one name's, whoever chose it.

        Args:
            address: what is to be called.
            resolved: every IP address of its host.
            pointer: to it, in what was sent.

        Raises:
            AddressRefusedError: there is none, or one is neither public nor listed, or is public and the scheme http.
        """
        found = [ip_address(one) for one in resolved]
        listed = [any(one.version == net.version and one in net for net in self.networks) for one in found]
        if not found or not all(is_public(one) or known for one, known in zip(found, listed, strict=True)):
            raise AddressRefusedError(
                "The host is not on the public internet.",
                "Name one that is, or have the operator list its network in HEIRLOOM_WEBHOOK_NETWORKS.",
                pointer=pointer,
            )
        if address.scheme == "http" and not all(listed):
            raise AddressRefusedError(
                "On the public internet webhooks go over https.", "Write https://….", pointer=pointer
            )

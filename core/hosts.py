"""Names under which a service may be called, as requests carry them in `Host`."""

import ipaddress
import re

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?")


def host_name(text: str) -> str:
    """A name or an address as it stands in `Host`, without the port: in small letters, IPv6 in brackets.

    Raises:
        ValueError: it is neither.
    """
    name = text.strip().lower()
    address = _address(name.removeprefix("[").removesuffix("]"))
    if isinstance(address, ipaddress.IPv6Address):
        return f"[{address}]"
    if not _NAME.fullmatch(name):
        raise ValueError(f"{text!r} is no host name; write it without a scheme, a port or a path")
    return name


def is_loopback(host: str) -> bool:
    """Whether what listens on it can be reached from this machine alone."""
    address = _address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None

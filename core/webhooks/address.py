"""Where a webhook goes: an address that means one thing only, or none.

Whoever reads addresses generously reads some of them otherwise than the next program does; the guard would then look at
one host, and the connection go to another. So what is not written plainly is refused.
"""

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from core.domain.errors import AddressRefusedError

MOST_CHARACTERS = 2048
_PORTS = {"http": 80, "https": 443}
_URL = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>\[[0-9a-f:.]+\]|[a-z0-9._-]+)"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/(?:[a-z0-9._~!$&'()*+,;=:@/-]|%[0-9a-f]{2})*)?"
    r"(?P<query>\?(?:[a-z0-9._~!$&'()*+,;=:@/?-]|%[0-9a-f]{2})*)?",
    re.ASCII | re.IGNORECASE,
)
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", re.ASCII)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
"""What some resolvers take for a part of an IPv4 address: decimal, octal, hexadecimal."""
_LONGEST_NAME = 253
_LAST_PORT = 65_535


@dataclass(frozen=True)
class WebhookAddress:
    """An address, taken apart.

    Attributes:
        scheme: http or https.
        host: a name in lower case, or an IP address without brackets.
        port: the scheme's own where none is written.
        target: path and query, as they stand in a request's first line.
        literal: the host where it is an IP address.
    """

    scheme: str
    host: str
    port: int
    target: str
    literal: IPv4Address | IPv6Address | None

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port: whose server it is."""
        return self.scheme, self.host, self.port

    @property
    def host_header(self) -> str:
        """The host as HTTP writes it."""
        host = f"[{self.host}]" if isinstance(self.literal, IPv6Address) else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def parse(url: str, pointer: str = "") -> WebhookAddress:
    """Take an address apart.

    Args:
        url: as a caller wrote it.
        pointer: to it, in what was sent.

    Raises:
        AddressRefusedError: it is none, or not written plainly.
    """
    found = _URL.fullmatch(url) if len(url) <= MOST_CHARACTERS else None
    if found is None:
        raise AddressRefusedError(
            "This is no plain http or https address.",
            "Write https://HOST/PATH in ASCII, without user, password and fragment.",
            pointer=pointer,
        )
    scheme = found["scheme"].lower()
    port = int(found["port"]) if found["port"] is not None else _PORTS[scheme]
    if not 1 <= port <= _LAST_PORT:
        raise AddressRefusedError("There is no such port.", "Ports are 1 to 65535.", pointer=pointer)
    host, literal = _host(found["host"].lower(), pointer)
    return WebhookAddress(scheme, host, port, f"{found['path'] or '/'}{found['query'] or ''}", literal)


def _host(written: str, pointer: str) -> tuple[str, IPv4Address | IPv6Address | None]:
    try:
        if written.startswith("["):
            six = IPv6Address(written[1:-1])
            return str(six), six
        labels = written.split(".")
        if _NUMBER.fullmatch(labels[-1]):  # no top-level domain is a number: this is an IPv4 address or a trap
            four = IPv4Address(written)
            return str(four), four
    except AddressValueError:
        raise AddressRefusedError(
            "The host is no IP address in its plain form.", "Write it like 192.0.2.1 or [2001:db8::1].", pointer=pointer
        ) from None
    if len(written) > _LONGEST_NAME or not all(map(_LABEL.fullmatch, labels)):
        raise AddressRefusedError(
            "The host is no name in its plain form.",
            "Write a name like photos.example.org, without a dot at its end.",
            pointer=pointer,
        )
    return written, None

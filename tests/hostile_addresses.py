"""Addresses by which somebody could let the service call its own surroundings, and what resolvers make of them."""

import socket
from collections.abc import Sequence

PRIVATE_NAMES = {
    "localhost": ["127.0.0.1", "::1"],
    "localhost.": ["127.0.0.1"],
    "localhost.localdomain": ["127.0.0.1"],
    "a.localhost": ["127.0.0.1"],
    "ip6-localhost": ["::1"],
    "metadata": ["169.254.169.254"],
    "metadata.google.internal": ["169.254.169.254"],
    "metadata.google.internal.": ["169.254.169.254"],
    "instance-data.ec2.internal": ["169.254.169.254"],
    "redis": ["172.18.0.3"],
    "postgres": ["10.0.0.7"],
    "kubernetes.default.svc.cluster.local": ["10.96.0.1"],
    "half.example.org": ["93.184.216.34", "10.0.0.1"],
    "other-half.example.org": ["10.0.0.1", "93.184.216.34"],
    "six-and-four.example.org": ["2606:2800:220:1:248:1893:25c8:1946", "127.0.0.1"],
    "mapped.example.org": ["::ffff:127.0.0.1"],
    "nat64.example.org": ["64:ff9b::7f00:1"],
    "teredo.example.org": ["2001:0:4136:e378:8000:63bf:3fff:fdd2"],
    "six-to-four.example.org": ["2002:7f00:1::1"],
    "scoped.example.org": ["fe80::1%eth0"],
    "127.0.0.1.nip.example": ["127.0.0.1"],
    "xn--fsq.example": ["192.168.1.1"],
    "nobody.example.org": [],
}
"""What names of our own stand for; other names are asked of the C library, which reads numbers in many ways."""


def resolve(host: str, port: int) -> Sequence[str]:
    """As generous as resolvers are, and without a network."""
    if host.lower() in PRIVATE_NAMES:
        found = PRIVATE_NAMES[host.lower()]
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return found
    try:
        places = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        return ["127.0.0.1"]  # the worst that an unknown name may stand for
    return [str(place[0]) for *_, place in places]


_WRITTEN = """
127.0.0.1 127.1.2.3 10.0.0.1 172.16.0.1 172.31.255.254 192.168.0.1 169.254.169.254 169.254.170.2
0.0.0.0 0.1.2.3 100.64.0.1 100.100.100.200 192.0.0.8 192.0.2.1 192.88.99.1 198.18.0.1 198.51.100.7
203.0.113.9 224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255 192.31.196.1 192.52.193.1
2130706433 0177.0.0.1 0x7f.0.0.1 0x7f000001 017700000001 127.1 127.0.1 0x7f.1 10.1 0 00000177.0.0.1
2852039166 0xa9fea9fe 0251.0376.0251.0376 169.254.43518 127.0.0.01 127.0.0.1. 127.0.0.256 4294967297
1.1.1.1.1 0x 127.0.0.0x1 ::1 127。0。0。1 127．0．0．1 127｡0｡0｡1 ⑫7.0.0.1 １２７.0.0.1
[::] [::1] [0:0:0:0:0:0:0:1] [::ffff:127.0.0.1] [::ffff:7f00:1] [::127.0.0.1] [::ffff:169.254.169.254]
[64:ff9b::127.0.0.1] [64:ff9b::a9fe:a9fe] [64:ff9b:1::7f00:1] [2002:7f00:1::] [2002:a9fe:a9fe::1]
[2001::1] [2001:0:7f00:1::] [2001:db8::1] [3fff::1] [fc00::1] [fd00:ec2::254] [fe80::1] [fec0::1]
[ff02::1] [ff0e::1] [100::1] [5f00::1] [fe80::1%25eth0] [fe80::1%eth0] [::1%lo] [::1 ::1] [1:2]
[2620:4f:8000::1] [::ffff:0:127.0.0.1] [127.0.0.1] []
LOCALHOST local_host..example ．localhost localhost%00.example.org localhost%2e ex%61mple .example.org
-a.example.org a-.example.org a..b ％6cocalhost ⓛocalhost ｌocalhost localhost。 ß.localhost
"""
"""Plain and private; decimal, octal, hexadecimal, short, overflowing, in other scripts; IPv6 by itself, with IPv4 in
it, local, multicast, with zones, and not quite; names that are none."""
_HOSTS = (*_WRITTEN.split(), *PRIVATE_NAMES)
URLS = (
    *(f"https://{host}/hook" for host in _HOSTS),
    *(f"http://{host}:6379/hook" for host in _HOSTS),
    # user, password, fragments, slashes and signs that programs read differently
    "https://example.org@127.0.0.1/",
    "https://127.0.0.1@example.org/",
    "https://example.org:80@127.0.0.1/",
    "https://example.org%40127.0.0.1/",
    "https://127.0.0.1#@example.org/",
    "https://127.0.0.1?@example.org/",
    "https://127.0.0.1\\@example.org/",
    "https://example.org\\@127.0.0.1/",
    "https:\\\\127.0.0.1/",
    "https:/127.0.0.1/",
    "https:127.0.0.1/",
    "https:///127.0.0.1/",
    "//127.0.0.1/",
    "127.0.0.1/",
    "https://127.0.0.1:443:80/",
    "https://localhost:0/",
    "https://localhost:65536/",
    "https://localhost:-1/",
    "https://localhost:٤٤٣/",
    "https://localhost:/",
    "https://example.org\n.127.0.0.1/",
    "https://127.0.0.1\r\nHost: example.org/",
    "https://127.0.0.1\t/",
    " https://127.0.0.1/",
    "https://127.0.0.1 /",
    "https://127.0.0.1/a b",
    "https://127.0.0.1/\r\nX: y",
    "https://localhost/#fragment",
    "https://localhost/%zz",
    "https://[::1/",
    "https://::1]/",
    # other schemes
    "file:///etc/passwd",
    "ftp://127.0.0.1/",
    "gopher://127.0.0.1:6379/_FLUSHALL",
    "dict://127.0.0.1:11211/stats",
    "ldap://127.0.0.1/",
    "unix:///var/run/docker.sock",
    "http+unix://%2fvar%2frun%2fdocker.sock/containers",
    "jar:https://127.0.0.1!/",
    "data:text/plain,x",
    "javascript:alert(1)",
    "HTTPS://LOCALHOST/",
    "hTTp://127.0.0.1/",
    "",
    "https://",
    "https://?",
    "https://#",
)

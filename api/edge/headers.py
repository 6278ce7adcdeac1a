"""What every answer carries, whoever makes it: a route, an error, or the connection itself."""

from collections.abc import Sequence

RawHeaders = list[tuple[bytes, bytes]]

_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    # Nothing here is a page: whatever a browser is made to open loads nothing, runs nothing and sends nothing.
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; form-action 'none'; sandbox"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),  # for browsers that do not know frame-ancestors
    (b"cache-control", b"no-store"),  # somebody's photos, or what is known of them
)
_HTTPS_ALONE = (b"strict-transport-security", b"max-age=31536000")


def always(*, https: bool) -> tuple[tuple[bytes, bytes], ...]:
    """The headers of every answer.

    Args:
        https: whether callers reach the service by https alone, so that browsers may be told never to try http.
    """
    return (*_ALWAYS, _HTTPS_ALONE) if https else _ALWAYS


def add_missing(headers: RawHeaders, wanted: Sequence[tuple[bytes, bytes]]) -> None:
    """Add what an answer does not say itself: a route may know better how long its answer may be kept."""
    there = {name for name, _ in headers}
    headers.extend([header for header in wanted if header[0] not in there])

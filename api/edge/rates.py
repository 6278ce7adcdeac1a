"""How often somebody may ask: by key, by address, and with keys that are none.

Kept in this process: of several API processes each allows as much. In the database each request would cost a write,
which is more than most requests cost; and what these limits are for, one caller who takes everything, one process sees.
"""

import hashlib
import math
import threading
from collections import OrderedDict

from api.edge.buckets import WINDOW_SECONDS, Buckets, Standing
from api.edge.headers import RawHeaders
from core.domain.errors import QuotaExceededError
from core.settings import Settings

_MOST_KNOWN = 4096


class Rates:
    """Of one API process. Where no keys are needed everybody is at this machine, and nothing is limited."""

    def __init__(self, settings: Settings) -> None:
        """Nobody has asked yet; a setting of 0 is no limit."""
        self._by_address = _buckets(settings, settings.requests_per_minute_per_address)
        self._by_key = _buckets(settings, settings.requests_per_minute_per_key)
        self._failures = _buckets(settings, settings.failed_keys_per_minute)
        self._known: OrderedDict[bytes, None] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def need_addresses(self) -> bool:
        """Whether anything is kept by address."""
        return self._by_address is not None or self._failures is not None

    def take_by_address(self, address: str) -> Standing | None:
        """Count a request; None without a limit."""
        return None if self._by_address is None else self._by_address.take(address)

    def headers_by_address(self, standing: Standing) -> RawHeaders:
        """See `rate_headers`."""
        return [] if self._by_address is None else rate_headers("address", self._by_address.per_minute, standing)

    def take_by_key(self, key_id: str | None) -> tuple[Standing, RawHeaders] | None:
        """Count a request, and what is told of it; None without a limit, or without a key."""
        if self._by_key is None or key_id is None:
            return None
        standing = self._by_key.take(key_id)
        return standing, rate_headers("key", self._by_key.per_minute, standing)

    def check_before_key(self, address: str, token: str | None) -> float:
        """Seconds to wait before a key from this address is looked at: 0 mostly.

        A key that was right lately is looked at all the same: somebody's forgotten machine with an old key must not
        keep everybody else out who shares its address.
        """
        if self._failures is None or token is None:
            return 0.0
        standing = self._failures.look(address)
        return 0.0 if standing.allowed or _digest(token) in self._known else standing.wait_seconds

    def key_was_wrong(self, address: str) -> None:
        """Count it."""
        if self._failures is not None:
            self._failures.take(address)

    def key_was_right(self, token: str) -> None:
        """Remember it; its hash, for a while."""
        if self._failures is not None:
            digest = _digest(token)
            with self._lock:
                self._known[digest] = None
                self._known.move_to_end(digest)
                if len(self._known) > _MOST_KNOWN:
                    self._known.popitem(last=False)


def too_often(what: str) -> QuotaExceededError:
    """For whoever asks more often than they may."""
    return QuotaExceededError(f"Too many requests {what} within a minute.", "Wait as long as Retry-After says.")


def whole_seconds(seconds: float) -> int:
    """As Retry-After has it: never too early, never at once."""
    return max(math.ceil(seconds), 1)


def rate_headers(name: str, per_minute: int, standing: Standing) -> RawHeaders:
    """`RateLimit-Policy` and `RateLimit`, as draft-ietf-httpapi-ratelimit-headers-10 has them."""
    seconds = math.ceil(standing.full_seconds)
    return [
        (b"ratelimit-policy", b'"%s";q=%d;w=%d' % (name.encode(), per_minute, WINDOW_SECONDS)),
        (b"ratelimit", b'"%s";r=%d;t=%d' % (name.encode(), standing.remaining, seconds)),
    ]


def _buckets(settings: Settings, per_minute: int) -> Buckets | None:
    return Buckets(per_minute) if per_minute and settings.keys_required else None


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()

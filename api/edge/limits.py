"""What one connection may take, in time, bytes and number."""

from dataclasses import dataclass

from core.settings import Settings

_KIBIBYTE = 1024


@dataclass(frozen=True)
class ConnectionLimits:
    """See the settings of the same names.

    Attributes:
        header_seconds: from a request's first byte to the end of its headers; from connecting, for the first request.
        stall_seconds: without a byte, while some are due: of a body that comes in, of an answer that is taken.
        body_bytes_per_second: a body that comes in more slowly in the mean is given up, `stall_seconds` being free.
        keep_alive_seconds: a connection stays open between two requests.
        header_bytes: of the request line and all headers.
        connections: open at once.
        connections_per_address: of those, from one address; 0: no limit.
        https: whether callers reach the service by https alone.
    """

    header_seconds: float = 10.0
    stall_seconds: float = 20.0
    body_bytes_per_second: int = 8 * _KIBIBYTE
    keep_alive_seconds: float = 15.0
    header_bytes: int = 16 * _KIBIBYTE
    connections: int = 800
    connections_per_address: int = 0
    https: bool = False

    @property
    def tick_seconds(self) -> float:
        """How often connections are looked at: a deadline is kept by an eighth of itself, or by a second."""
        return min(1.0, self.header_seconds / 8, self.stall_seconds / 8)


def connection_limits(settings: Settings) -> ConnectionLimits:
    """As the operator wants them. Without keys everybody is at this machine: there is one address."""
    return ConnectionLimits(
        header_seconds=settings.header_seconds,
        stall_seconds=settings.body_stall_seconds,
        body_bytes_per_second=settings.min_body_kib_per_second * _KIBIBYTE,
        keep_alive_seconds=settings.keep_alive_seconds,
        header_bytes=settings.max_header_kib * _KIBIBYTE,
        connections=settings.max_connections,
        connections_per_address=settings.max_connections_per_address if settings.keys_required else 0,
        https=settings.https,
    )

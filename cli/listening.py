"""The address that `heirloom serve` listens on."""

import errno
import socket

from core.domain.errors import SettingsError


def open_listener(host: str, port: int) -> socket.socket:
    """Take an address, before anything else is done: a second server on it finds out here.

    Args:
        host: a name or an address.
        port: 0 for any that is free.

    Returns:
        A bound socket that does not listen yet.

    Raises:
        SettingsError: it is taken, not ours, or not to be had without more rights.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise SettingsError(f"{host} is no address of this machine.", "Choose another with --host.") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise SettingsError(*_said(host, port, error)) from error
    return listener


def url_of(listener: socket.socket) -> str:
    """Where it will be reached."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _said(host: str, port: int, error: OSError) -> tuple[str, str]:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} of {host} is taken by another program.", "Choose another with --port, or end that one."
    if error.errno == errno.EACCES:
        return f"Port {port} of {host} may not be taken without more rights.", "Choose one above 1023 with --port."
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{host} is no address of this machine.", "Choose another with --host."
    return f"{host}:{port} cannot be listened on: {error.strerror}.", "Choose another with --host and --port."

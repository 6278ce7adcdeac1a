import errno
import socket

import pytest

from cli.listening import open_listener, url_of
from core.domain.errors import SettingsError


def test_port_0_is_any_free_one_and_the_url_names_it():
    with open_listener("127.0.0.1", 0) as listener:
        assert url_of(listener) == f"http://127.0.0.1:{listener.getsockname()[1]}"
        assert listener.getsockname()[1] > 0


def test_a_port_that_is_taken_is_one_clear_sentence():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(SettingsError, match=f"Port {port} of 127.0.0.1 is taken") as raised:
            open_listener("127.0.0.1", port)
    assert "--port" in raised.value.advice


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_an_address_of_another_machine_is_refused(host, monkeypatch):
    if not host[0].isdigit():  # no name is looked up in a test

        def unknown(*_arguments, **_options):
            raise socket.gaierror(socket.EAI_NONAME, "unknown")

        monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(SettingsError, match="is no address of this machine"):
        open_listener(host, 0)


@pytest.mark.parametrize(
    ("number", "said"), [(errno.EACCES, "without more rights"), (errno.EINVAL, "cannot be listened on")]
)
def test_other_refusals_say_what_to_do(monkeypatch, number, said):
    def bind(*_arguments):
        raise OSError(number, "refused")

    monkeypatch.setattr(socket.socket, "bind", bind)
    with pytest.raises(SettingsError, match=said) as raised:
        open_listener("127.0.0.1", 80)
    assert "--port" in raised.value.advice

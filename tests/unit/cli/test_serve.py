"""What `heirloom serve` refuses, and what it says; that it serves is told by the acceptance suite."""

import logging
import socket

import pytest

from cli import serve
from cli.listening import open_listener
from cli.settings import settings_with
from core.priors.locate import describe_prior
from core.settings import read_settings


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch):
    """No setting but the home and the prior, none left behind, and pytest's own logging left alone."""
    for name in ("HOST", "PORT", "DATABASE_URL", "LOG_FORMAT", "ACCEPT_RESEARCH_PRIOR"):
        monkeypatch.setenv(f"HEIRLOOM_{name}", "")
    monkeypatch.setattr(serve, "start_logs", lambda _settings: None)


def test_a_port_that_is_taken_is_one_line_before_anything_is_made(heirloom, home):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, out, err = heirloom("serve", "--port", port)
    assert (code, out) == (1, "")
    assert err == (
        f"error Port {port} of 127.0.0.1 is taken by another program. Choose another with --port, or end that one."
    )
    assert not (home / "heirloom.db").exists()


def test_a_server_s_database_that_is_not_migrated_is_refused(heirloom, postgres_server, monkeypatch):
    url = postgres_server.create("not_migrated")
    monkeypatch.setenv("HEIRLOOM_DATABASE_URL", url)
    monkeypatch.setenv("HEIRLOOM_ACCEPT_RESEARCH_PRIOR", "1")
    code, _, err = heirloom("serve", "--port", 0)
    postgres_server.drop("not_migrated")
    assert code == 1
    assert "at revision none" in err
    assert "Run `heirloom db upgrade` once" in err


def test_a_research_prior_in_the_server_mode_is_refused(heirloom, monkeypatch):
    monkeypatch.setenv("HEIRLOOM_DATABASE_URL", "postgresql://127.0.0.1:1/heirloom")
    code, _, err = heirloom("serve", "--port", 0)
    assert code == 1
    assert "HEIRLOOM_ACCEPT_RESEARCH_PRIOR=1" in err


def test_a_keyless_address_for_others_is_refused(heirloom, monkeypatch):
    monkeypatch.setenv("HEIRLOOM_REQUIRE_KEYS", "false")
    code, _, err = heirloom("serve", "--host", "192.0.2.1")
    assert code == 1
    assert "without keys only the embedded mode on a loopback host may be served" in err


@pytest.mark.parametrize(("style", "lines"), [("console", 2), ("json", 0)])
def test_the_start_says_where_it_listens_and_under_which_licence_the_prior_is(home, capsys, caplog, style, lines):
    settings = settings_with(log_format=style)
    prior = describe_prior(settings.prior, home)
    with open_listener("127.0.0.1", 0) as listener, caplog.at_level(logging.INFO):
        serve.announce(settings, listener, prior)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    text = capsys.readouterr().err
    assert text.count("\n") == lines
    said = text + caplog.text
    assert url in said
    assert "no commercial use" in said


def test_worker_check_finds_no_worker_where_there_is_none(heirloom):
    code, _, err = heirloom("worker", "--check")
    assert code == 1
    assert "was heard of" in err


def test_worker_check_finds_one_of_this_host_until_it_says_goodbye(heirloom, home):
    from core.db.session import Database
    from core.settings import process_name
    from worker.presence import Presence

    assert heirloom("db", "upgrade")[0] == 0
    database = Database(read_settings().database_address)
    presence = Presence(database, process_name(), dict)
    presence.register("cpu", "fp32", [])
    code, _, err = heirloom("worker", "--check")
    assert (code, err) == (0, f"alive: {presence.name}")
    presence.gone()
    database.close()
    assert heirloom("worker", "--check")[0] == 1


def test_a_worker_without_torch_says_how_to_install_it(heirloom, monkeypatch):
    from cli import worker

    monkeypatch.setattr(worker, "find_spec", lambda _name: None)
    code, _, err = heirloom("worker")
    assert code == 1
    assert "torch is not installed" in err
    assert "make setup" in err

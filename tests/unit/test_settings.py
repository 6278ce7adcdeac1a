import re
from pathlib import Path

import pytest

from core.domain.errors import SettingsError
from core.settings import Settings, process_name, read_settings

EXAMPLE = (Path(__file__).resolve().parents[2] / ".env.example").read_text()
OF_COMPOSE = {"HEIRLOOM_PUBLISH", "POSTGRES_PASSWORD"}
"""Read by docker-compose.yml, not by the service."""


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch):
    for name in Settings.model_fields:
        monkeypatch.delenv(f"HEIRLOOM_{name.upper()}", raising=False)


def examples():
    return dict(re.findall(r"^#?([A-Z][A-Z_]+)=(.*)$", EXAMPLE, re.MULTILINE))


def test_the_example_lists_every_setting_and_no_other():
    assert examples().keys() - OF_COMPOSE == {f"HEIRLOOM_{name.upper()}" for name in Settings.model_fields}


def test_the_example_taken_as_it_is_changes_nothing(monkeypatch):
    before = read_settings()
    for name, value in examples().items():
        monkeypatch.setenv(name, value)
    assert read_settings() == before


def test_an_empty_environment_is_the_embedded_mode_on_loopback_without_keys():
    settings = read_settings()
    assert settings.embedded
    assert settings.database_address == f"sqlite:///{settings.home}/heirloom.db"
    assert (settings.storage_driver, settings.log_driver, settings.poll_seconds) == ("fs", "console", 1.0)
    assert settings.on_loopback
    assert not settings.keys_required


def test_a_postgres_address_is_the_server_mode_with_keys(monkeypatch):
    monkeypatch.setenv("HEIRLOOM_DATABASE_URL", "postgresql://heirloom:hush@db/heirloom")
    settings = read_settings()
    assert not settings.embedded
    assert (settings.storage_driver, settings.log_driver, settings.poll_seconds) == ("database", "json", 10.0)
    assert settings.keys_required
    assert "hush" not in repr(settings)


def test_beyond_loopback_keys_are_needed(monkeypatch):
    monkeypatch.setenv("HEIRLOOM_HOST", "0.0.0.0")  # noqa: S104  # that is the case in hand
    assert read_settings().keys_required


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PORT", "http", "HEIRLOOM_PORT: Input should be a valid integer"),
        ("DEVICE", "tpu", "HEIRLOOM_DEVICE: Input should be 'auto', 'cpu', 'cuda' or 'mps'"),
        ("LEASE_SECONDS", "15", "heartbeat_seconds must be at most half of lease_seconds"),
        ("STORAGE", "memory", "storage 'memory' is of one process"),
        ("HOME", "~nobody-of-this-name/x", "HEIRLOOM_HOME: ~nobody-of-this-name/x begins with the home of a user"),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_wrong(monkeypatch, name, value, said):
    monkeypatch.setenv(f"HEIRLOOM_{name}", value)
    with pytest.raises(SettingsError) as raised:
        read_settings()
    assert said in raised.value.message
    assert ".env.example" in raised.value.advice


def test_no_keys_beyond_loopback_is_refused(monkeypatch):
    monkeypatch.setenv("HEIRLOOM_HOST", "192.0.2.1")
    monkeypatch.setenv("HEIRLOOM_REQUIRE_KEYS", "false")
    with pytest.raises(SettingsError, match="without keys only a loopback host"):
        read_settings()


def test_several_wrong_settings_are_all_named(monkeypatch):
    monkeypatch.setenv("HEIRLOOM_PORT", "http")
    monkeypatch.setenv("HEIRLOOM_PHOTO_DAYS", "0")
    with pytest.raises(SettingsError, match=r"HEIRLOOM_PORT.*HEIRLOOM_PHOTO_DAYS"):
        read_settings()


def test_a_home_may_begin_with_a_tilde(monkeypatch):
    monkeypatch.setenv("HEIRLOOM_HOME", "~/photos")
    assert read_settings().home == Path.home() / "photos"


def test_processes_have_names_of_their_own():
    assert process_name() != process_name()

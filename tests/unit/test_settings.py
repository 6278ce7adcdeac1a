import os
import re
import subprocess
from pathlib import Path

import pytest

import core.settings
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
    return dict(re.findall(r"^#?([A-Z][A-Z0-9_]+)=(.*)$", EXAMPLE, re.MULTILINE))


def test_the_example_lists_every_setting_and_no_other():
    assert examples().keys() - OF_COMPOSE == {f"HEIRLOOM_{name.upper()}" for name in Settings.model_fields}


def test_the_example_taken_as_it_is_changes_nothing(monkeypatch):
    before = read_settings()
    for name, value in examples().items():
        monkeypatch.setenv(name, value)
    assert read_settings() == before


@pytest.mark.parametrize("hosts", ["", "photos.example.org,photos.example.com"])
def test_a_shell_reads_the_example_as_the_service_does(monkeypatch, tmp_path, hosts):
    before = read_settings()
    text = re.sub(r"^#(?=[A-Z][A-Z0-9_]+=)", "", EXAMPLE, flags=re.MULTILINE)
    file = tmp_path / "env"
    file.write_text(text.replace("HEIRLOOM_ALLOWED_HOSTS=", f"HEIRLOOM_ALLOWED_HOSTS={hosts}"))
    command = ["/bin/sh", "-ec", 'set -a; . "$1"; set +a; env -0', "sh", str(file)]
    told = subprocess.run(command, capture_output=True, text=True, check=True, env={"PATH": os.environ["PATH"]})  # noqa: S603  # our own
    for name, _, value in (line.partition("=") for line in told.stdout.split("\0")):
        if name.startswith("HEIRLOOM_"):
            monkeypatch.setenv(name, value)
    assert read_settings() == before.model_copy(update={"allowed_hosts": [name for name in hosts.split(",") if name]})


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


def test_an_object_storage_s_keys_are_secrets(monkeypatch):
    for name, value in {
        "STORAGE": "s3",
        "S3_BUCKET": "b",
        "S3_ACCESS_KEY_ID": "id",
        "S3_SECRET_ACCESS_KEY": "hush",
    }.items():
        monkeypatch.setenv(f"HEIRLOOM_{name}", value)
    settings = read_settings()
    assert settings.storage_driver == "s3"
    assert settings.object_storage.secret_access_key == os.environ["HEIRLOOM_S3_SECRET_ACCESS_KEY"]
    assert "hush" not in repr(settings)
    assert "hush" not in repr(settings.object_storage)
    assert {"id", "hush"} <= set(settings.secrets)


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
        ("STORAGE", "s3", "storage 's3' needs s3_bucket"),
        ("S3_ENDPOINT", "s3.example.org", "HEIRLOOM_S3_ENDPOINT: this is no http"),
        ("S3_ENDPOINT", "https://key:hush@s3.example.org", "keys have settings of their own"),
        ("S3_PREFIX", "photos", "HEIRLOOM_S3_PREFIX"),
        ("S3_SECRET_ACCESS_KEY", "hush", "belong together"),
        ("HOST", "http://0.0.0.0", "HEIRLOOM_HOST: 'http://0.0.0.0' is no host name"),
        ("ALLOWED_HOSTS", '["photos.example.org"]', "is no host name; write it without"),
        ("ALLOWED_HOSTS", "photos.example.org:443", "HEIRLOOM_ALLOWED_HOSTS: 'photos.example.org:443' is no host name"),
        ("BROKER_URL", "http://x", "HEIRLOOM_BROKER_URL: this is no address of a Redis: write redis://HOST:6379/0"),
        ("BROKER_URL", "redis://", "HEIRLOOM_BROKER_URL: this is no address of a Redis"),
        ("BROKER_URL", "redis://x:y/0", "HEIRLOOM_BROKER_URL: this is no address of a Redis"),
        ("PHOTO_DAYS", "99999999", "HEIRLOOM_PHOTO_DAYS: Input should be less than or equal to 36500"),
        ("CHECKPOINT_DAYS", "99999999999", "HEIRLOOM_CHECKPOINT_DAYS: Input should be less than or equal to 36500"),
        ("LEASE_SECONDS", "inf", "HEIRLOOM_LEASE_SECONDS: Input should be less than or equal to 604800"),
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
    with pytest.raises(SettingsError, match="without keys only the embedded mode on a loopback host"):
        read_settings()


def test_no_keys_is_of_one_person_s_own_machine_and_not_of_a_server(monkeypatch):
    monkeypatch.setenv("HEIRLOOM_REQUIRE_KEYS", "false")
    assert not read_settings().keys_required
    monkeypatch.setenv("HEIRLOOM_DATABASE_URL", "postgresql://db/heirloom")
    with pytest.raises(SettingsError, match="without keys only the embedded mode on a loopback host"):
        read_settings()


def test_a_name_that_only_looks_like_loopback_needs_keys(monkeypatch):
    monkeypatch.setenv("HEIRLOOM_HOST", "127.evil.example")
    assert read_settings().keys_required


def test_host_names_stand_between_commas(monkeypatch):
    monkeypatch.setenv("HEIRLOOM_ALLOWED_HOSTS", "photos.example.org, Photos.Example.com,,::1")
    assert read_settings().allowed_hosts == ["photos.example.org", "photos.example.com", "[::1]"]


@pytest.mark.parametrize("url", ["redis://redis:6379/0", "rediss://:hush@cache.example:6380/1", ""])
def test_a_broker_is_a_redis(monkeypatch, url):
    monkeypatch.setenv("HEIRLOOM_BROKER_URL", url)
    assert read_settings().broker_address == url


def test_a_secret_that_is_wrong_is_not_told(monkeypatch):
    monkeypatch.setenv("HEIRLOOM_BROKER_URL", "http://:hush@x")
    with pytest.raises(SettingsError) as raised:
        read_settings()
    assert "hush" not in str(raised.value)


def test_what_the_settings_library_cannot_decode_is_one_sentence_too(monkeypatch):
    class WithJson(Settings):
        several: list[int] = []  # noqa: RUF012  # pydantic's own way

    monkeypatch.setattr(core.settings, "Settings", WithJson)
    monkeypatch.setenv("HEIRLOOM_SEVERAL", "1,2")
    with pytest.raises(SettingsError, match=r'cannot be read: .*"several"'):
        read_settings()


@pytest.mark.parametrize("given", ["", "0"])
def test_how_often_an_idle_worker_looks_is_the_mode_s_where_nothing_is_said(monkeypatch, given):
    monkeypatch.setenv("HEIRLOOM_POLL_SECONDS", given)
    assert read_settings().poll_seconds == 1.0


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


def test_a_station_is_this_host_with_its_device_unless_it_is_named(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    host = os.uname().nodename
    assert read_settings().station == host
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert read_settings().station == f"{host}:1"
    monkeypatch.setenv("HEIRLOOM_WORKER_STATION", "rack-3")
    assert read_settings().station == "rack-3"

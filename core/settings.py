"""Every setting of the service: HEIRLOOM_*, read once at the edge (`api/app.py`, `worker/`, `cli/`, `migrations/`).

A setting that is wrong stops the start and says what is wrong. `.env.example` lists them all; a test compares.
"""

import os
import secrets
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

import platformdirs
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableSettingError

from core.domain.errors import SettingsError
from core.hosts import host_name, is_loopback
from core.storage.s3_place import S3Place

MEBIBYTE = 2**20
Seconds = Annotated[float, Field(gt=0, le=7 * 86_400)]
"""A duration: a week, beyond which no setting makes sense."""
Days = Annotated[int, Field(ge=1, le=36_500)]
"""How long something is kept: a century is for ever, and more would pass the calendar's end."""


_ADVICE = "`.env.example` lists every setting with what it may be."


class Settings(BaseSettings):
    """What an operator may choose. Durations in seconds, sizes in bytes unless a name says otherwise."""

    model_config = SettingsConfigDict(env_prefix="HEIRLOOM_", frozen=True, extra="ignore", env_ignore_empty=True)

    home: Path = Field(default_factory=lambda: Path(platformdirs.user_data_dir("heirloom")))
    """Pulled priors, resume states, albums on their way in; embedded, the database and the blobs too."""
    database_url: SecretStr = SecretStr("")
    """Empty: the embedded mode, SQLite in `home`. postgresql://…: the server mode."""
    broker_url: SecretStr = SecretStr("")
    """redis://…: where Celery carries the doorbell. Empty: workers find their jobs by polling alone."""
    storage: Literal["fs", "database", "s3", "memory", ""] = ""
    """Where blobs lie. Empty: `fs` when embedded, `database` otherwise; `memory` is for tests in one process."""
    s3_bucket: str = ""
    """The bucket of the storage `s3`; it must be there."""
    s3_endpoint: str = ""
    """http(s)://HOST of anything that speaks S3. Empty: Amazon's own, in the region."""
    s3_region: str = "us-east-1"
    """The region that requests are signed for."""
    s3_prefix: Annotated[str, Field(pattern="^([A-Za-z0-9._-]+/)*$")] = ""
    """In front of every object's name, ending with a slash, e.g. heirloom/."""
    s3_path_style: bool = True
    """The bucket stands in the path; 0: in the host's name, as Amazon wants it for new buckets."""
    s3_access_key_id: SecretStr = SecretStr("")
    """Empty, as the next: what the machine provides, AWS_… variables or an instance's role."""
    s3_secret_access_key: SecretStr = SecretStr("")
    """Of that key."""

    prior: str = "starter"
    """The pretrained model: `starter`, the name of one in `home`/priors, or a folder."""
    default_recipe: str = ""
    """The preset for jobs of its mode that name none. Empty: the prior's resolution decides."""
    recipes_file: Path | None = None
    """JSON list of the operator's own recipes, offered beside the presets."""
    accept_research_prior: bool = False
    """In the server mode a prior that is for research only is used only with this."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where workers compute."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """How precisely workers compute; `auto`: bf16 on GPUs that have it."""
    device_cache_mib: Annotated[int, Field(ge=0)] = 4096
    """How much of the device's memory priors and checkpoints may keep between jobs."""
    face_finder: Literal["dlib", "yunet"] = "dlib"
    """What finds faces: dlib is installed; its point model's terms exclude commercial use. yunet needs its file."""
    yunet_model: Path | None = None
    """YuNet's file, `face_detection_yunet_*.onnx` of OpenCV's model zoo."""

    host: str = "127.0.0.1"
    """The address that the API listens on."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    """The port that the API listens on; 0: any free one."""
    allowed_hosts: Annotated[list[str], NoDecode] = Field(default_factory=list)
    """Host names that requests may carry beside loopback's and `host`, with commas between; empty: no others when
    keyless, any otherwise."""
    require_keys: bool | None = None
    """Empty: not in the embedded mode on loopback, everywhere else. Without keys nothing else is served."""
    max_upload_mib: Annotated[int, Field(ge=1)] = 100
    """The largest photo or file."""
    max_album_mib: Annotated[int, Field(ge=1)] = 512
    """The largest album in one request."""
    max_json_kib: Annotated[int, Field(ge=1)] = 1024
    """The largest JSON body."""
    max_wait_seconds: Annotated[int, Field(ge=0, le=300)] = 60
    """The longest `Prefer: wait`."""
    max_queued_jobs: Annotated[int, Field(ge=1)] = 10_000
    """With so many jobs queued, new ones are answered 503."""
    max_open_jobs_per_owner: Annotated[int, Field(ge=1)] = 1_000
    """With so many queued or running jobs of its own, an owner is answered 429."""
    max_compute_seconds_per_owner: Annotated[int, Field(ge=0)] = 0
    """Once workers have computed so many seconds for an owner on one day (UTC), new jobs are answered 429 until
    midnight; what is queued is still done. 0: no limit."""
    min_free_disk_mib: Annotated[int, Field(ge=0)] = 256
    """Where an upload would leave less on the disk of `home`, it is refused."""
    decode_processes: Annotated[int, Field(ge=1, le=64)] = 2
    """So many photos at once are decoded in processes of their own by the API; a worker decodes one at a time so."""
    decode_memory_mib: Annotated[int, Field(ge=256)] = 1024
    """What one photo may need there; one that needs more is refused as too large."""
    decode_seconds: Annotated[int, Field(ge=1, le=3_600)] = 30
    """Processor time for one photo there; by the clock three times as much. So long a request waits for its turn."""

    https: bool = False
    """Callers reach the service by https alone: browsers are told never to try http (HSTS)."""
    header_seconds: Seconds = 10.0
    """How long a request's headers may take to come in."""
    body_stall_seconds: Seconds = 20.0
    """So long a body may bring nothing, or an answer be left untaken; then the connection is closed."""
    min_body_kib_per_second: Annotated[int, Field(ge=0)] = 8
    """A body that comes in more slowly in the mean is given up, `body_stall_seconds` being free. 0: no limit."""
    keep_alive_seconds: Seconds = 15.0
    """How long a connection stays open between two requests; longer than a proxy keeps its own."""
    max_header_kib: Annotated[int, Field(ge=4, le=1024)] = 16
    """The request line and all headers."""
    max_connections: Annotated[int, Field(ge=1)] = 800
    """Open at once to one API process; more are answered 503. The process needs as many open files, and some."""
    max_connections_per_address: Annotated[int, Field(ge=0)] = 200
    """Of those, from one address, where keys are needed. 0: no limit."""
    max_reads_in_hand: Annotated[int, Field(ge=1)] = 16
    """Requests that read are worked on at once by one API process; more wait a moment, then are answered 503."""
    max_writes_in_hand: Annotated[int, Field(ge=1)] = 32
    """The same of all others: uploads, new jobs."""
    max_waiting: Annotated[int, Field(ge=0)] = 200
    """So many callers at once wait by `Prefer: wait` or listen to events; more poll."""
    requests_per_minute_per_key: Annotated[int, Field(ge=0)] = 6_000
    """A key that asks more often is answered 429; so many at once are taken. Of one API process. 0: no limit."""
    requests_per_minute_per_address: Annotated[int, Field(ge=0)] = 12_000
    """The same of an address, where keys are needed: of IPv6 of a /64 network."""
    failed_keys_per_minute: Annotated[int, Field(ge=0)] = 30
    """After so many wrong keys from an address no other is looked at that was not right lately. 0: no limit."""
    trusted_proxies: Annotated[list[IPv4Network | IPv6Network], NoDecode] = Field(default_factory=list)
    """Networks of your own proxies, e.g. 127.0.0.1/32, with commas between: `X-Forwarded-For` is believed of them, and
    of nobody else."""

    lease_seconds: Seconds = 60.0
    """How long a job stays with a worker that was not heard of."""
    heartbeat_seconds: Seconds = 10.0
    """How often a worker is heard of; at most half of the lease."""
    poll_seconds: Seconds = 0.0
    """How often an idle worker looks for work. Empty or 0: 1 when embedded, 10 otherwise."""
    reap_seconds: Seconds = 5.0
    """How often leases that are over are looked for."""
    drain_seconds: Seconds = 30.0
    """How long a worker that is told to stop may take for the step in hand."""
    stall_seconds: Seconds = 900.0
    """A worker in which no step was finished for so long ends itself: a hung device still sends heartbeats."""
    worker_station: Annotated[str, Field(max_length=200)] = ""
    """What stays the same when a worker's process begins anew: where processes die with one job after another, their
    station is set aside for a while. Empty: this host and, where CUDA_VISIBLE_DEVICES is set, its device."""

    photo_days: Days = 30
    """How long uploads and results are kept."""
    checkpoint_days: Days = 90
    """How long a checkpoint is kept after its last use, unless it is pinned."""

    webhook_networks: Annotated[list[IPv4Network | IPv6Network], NoDecode] = Field(default_factory=list)
    """Networks that webhooks may go to although they are not public, e.g. 10.1.2.0/24, with commas between; there http
    will do. Empty: none."""

    log_format: Literal["console", "json", ""] = ""
    """Empty: `console` when embedded, `json` otherwise."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """The lowest level that is written."""

    @field_validator("home", "recipes_file", "yunet_model")
    @classmethod
    def _expanded(cls, path: Path | None) -> Path | None:
        try:
            return None if path is None else path.expanduser()
        except RuntimeError:  # ~ and the name of nobody
            raise ValueError(f"{path} begins with the home of a user that is not here") from None

    @field_validator("host")
    @classmethod
    def _can_be_listened_on(cls, host: str) -> str:
        host_name(host)
        return host

    @field_validator("allowed_hosts", "webhook_networks", "trusted_proxies", mode="before")
    @classmethod
    def _separated(cls, value: object) -> object:
        return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value

    @field_validator("allowed_hosts")
    @classmethod
    def _as_requests_carry_them(cls, names: list[str]) -> list[str]:
        return [host_name(name) for name in names]

    @field_validator("broker_url")
    @classmethod
    def _is_redis(cls, url: SecretStr) -> SecretStr:
        if url.get_secret_value() and not _names_redis(url.get_secret_value()):
            raise ValueError("this is no address of a Redis: write redis://HOST:6379/0, or rediss://… with TLS")
        return url

    @field_validator("s3_endpoint")
    @classmethod
    def _is_http(cls, url: str) -> str:
        address = urlsplit(url)
        if url and (address.scheme not in ("http", "https") or not address.hostname or address.username is not None):
            raise ValueError("this is no http(s)://HOST or http(s)://HOST:PORT; keys have settings of their own")
        return url

    @model_validator(mode="before")
    @classmethod
    def _poll_by_mode(cls, values: dict[str, object]) -> dict[str, object]:
        if values.get("poll_seconds") in (None, "", "0", 0):
            values = {**values, "poll_seconds": 10.0 if values.get("database_url") else 1.0}
        return values

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.heartbeat_seconds * 2 > self.lease_seconds:
            raise ValueError("heartbeat_seconds must be at most half of lease_seconds, or a late one costs the job")
        if self.embedded and self.storage == "memory":
            raise ValueError("storage 'memory' is of one process, and the worker is another: use fs or database")
        if self.storage == "s3" and not self.s3_bucket:
            raise ValueError("storage 's3' needs s3_bucket")
        if bool(self.s3_access_key_id.get_secret_value()) != bool(self.s3_secret_access_key.get_secret_value()):
            raise ValueError("s3_access_key_id and s3_secret_access_key belong together: set both, or none")
        if not self.keys_required and not (self.embedded and self.on_loopback):
            raise ValueError(
                "without keys only the embedded mode on a loopback host may be served: leave require_keys empty"
            )
        return self

    @property
    def embedded(self) -> bool:
        """One machine, SQLite, a worker as a child process."""
        return not self.database_address.startswith("postgres")

    @property
    def database_address(self) -> str:
        """The database's URL, the embedded one's included; it holds a password, so it is never shown."""
        return self.database_url.get_secret_value() or f"sqlite:///{self.home / 'heirloom.db'}"

    @property
    def broker_address(self) -> str:
        """The broker's URL, or nothing; never shown."""
        return self.broker_url.get_secret_value()

    @property
    def storage_driver(self) -> str:
        """Where blobs lie."""
        return self.storage or ("fs" if self.embedded else "database")

    @property
    def object_storage(self) -> S3Place | None:
        """Where the storage `s3` is."""
        if self.storage != "s3":
            return None
        return S3Place(
            bucket=self.s3_bucket,
            endpoint=self.s3_endpoint,
            region=self.s3_region,
            prefix=self.s3_prefix,
            path_style=self.s3_path_style,
            access_key_id=self.s3_access_key_id.get_secret_value(),
            secret_access_key=self.s3_secret_access_key.get_secret_value(),
        )

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no line of a log may contain."""
        keys = (self.s3_access_key_id, self.s3_secret_access_key)
        return (self.database_address, self.broker_address, *(key.get_secret_value() for key in keys))

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the API."""
        return is_loopback(self.host)

    @property
    def keys_required(self) -> bool:
        """Whether every request needs a key."""
        return self.require_keys if self.require_keys is not None else not (self.embedded and self.on_loopback)

    @property
    def log_driver(self) -> str:
        """`console` or `json`."""
        return self.log_format or ("console" if self.embedded else "json")

    @property
    def station(self) -> str:
        """See `worker_station`."""
        return self.worker_station or _this_place()

    @property
    def lease(self) -> timedelta:
        """How long a job is a worker's without a heartbeat."""
        return timedelta(seconds=self.lease_seconds)


def _this_place() -> str:
    device = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return f"{os.uname().nodename}{':' * bool(device)}{device}"[:200]


def read_settings() -> Settings:
    """From the environment.

    Raises:
        SettingsError: one is wrong; the message names it, and never its value where that is a secret.
    """
    try:
        return Settings()
    except ValidationError as error:
        problems = [f"{_variable(problem['loc'])}: {_said(problem['msg'])}" for problem in error.errors()]
        raise SettingsError("; ".join(problems) + ".", _ADVICE) from None
    except UnreadableSettingError as error:  # it names the setting, and not its value
        raise SettingsError(f"The settings cannot be read: {error}.", _ADVICE) from None


def _names_redis(url: str) -> bool:
    try:
        address = urlsplit(url)
        return address.scheme in ("redis", "rediss") and bool(address.hostname) and address.port != 0
    except ValueError:  # a port that is none
        return False


def _variable(place: tuple[int | str, ...]) -> str:
    return "_".join(["HEIRLOOM", *(str(part).upper() for part in place)]) if place else "settings"


def _said(message: str) -> str:
    return message.removeprefix("Value error, ")


def process_name() -> str:
    """Of this process, for the workers' table: host, pid, and a random part, because pids are used again."""
    return f"{os.uname().nodename}-{os.getpid()}-{secrets.token_hex(2)}"

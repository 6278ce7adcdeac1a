"""What `heirloom doctor` looks at for the service: settings, database, broker, the disk under the blobs."""

import shutil
from pathlib import Path

from core.settings import MEBIBYTE, Settings, read_settings
from core.storage.s3_place import S3Place


def settings_work() -> tuple[bool, str]:
    """The mode, and where the API would listen."""
    settings = read_settings()
    mode = "embedded" if settings.embedded else "server"
    keys = "every request needs a key" if settings.keys_required else "without keys"
    return True, f"{mode} mode, {settings.host}:{settings.port}, {keys}"


def database_works() -> tuple[bool, str]:
    """Whether it answers, and has this version's schema."""
    settings = read_settings()
    kind = "SQLite" if settings.embedded else "Postgres"
    if settings.embedded and not _sqlite_file(settings).exists():
        return True, f"{kind}, made in {settings.home} by the first `heirloom serve`"
    from migrations import run

    at, wanted = run.current(settings.database_address), run.newest()
    if at == wanted:
        return True, f"{kind}, at revision {at}"
    advice = "the next start migrates it" if settings.embedded else "run `heirloom db upgrade`"
    return settings.embedded, f"{kind}, at revision {at or 'none'}, and this version needs {wanted}: {advice}."


def broker_works() -> tuple[bool, str]:
    """Whether Redis answers, where one is set; nothing is lost without it."""
    settings = read_settings()
    if not settings.broker_address:
        return True, f"none: idle workers look for jobs every {settings.poll_seconds:g} s"
    import redis

    try:
        with redis.Redis.from_url(
            settings.broker_address, socket_connect_timeout=2, socket_timeout=2, retry=None
        ) as client:
            client.ping()
    except (redis.RedisError, ValueError) as error:
        return False, (
            f"Redis does not answer ({type(error).__name__}): check HEIRLOOM_BROKER_URL. Jobs are still done, and "
            f"begin up to {settings.poll_seconds:g} s later."
        )
    return True, "Redis answers"


def blobs_have_room() -> tuple[bool, str]:
    """Where photos, checkpoints and results lie, and how much more fits."""
    settings = read_settings()
    if settings.object_storage is not None:
        return _object_storage_works(settings.object_storage)
    if settings.storage_driver != "fs":
        return True, f"in the {settings.storage_driver}: watch the disk of its own server"
    free = shutil.disk_usage(_existing(settings.home)).free
    needed = settings.min_free_disk_mib * MEBIBYTE
    text = f"{settings.home / 'blobs'}, {free / 2**30:.1f} GiB free"
    if free > needed:
        return True, text
    return False, f"{text}: below HEIRLOOM_MIN_FREE_DISK_MIB ({settings.min_free_disk_mib}) uploads are refused."


def _object_storage_works(place: S3Place) -> tuple[bool, str]:
    from core.domain.errors import StorageError
    from core.storage.s3_objects import Objects

    try:
        next(Objects(place, seconds=5.0, retry_seconds=0.0).pieces(), None)
    except StorageError as error:
        return False, str(error)
    return True, f"the bucket {place.bucket} answers"


def _sqlite_file(settings: Settings) -> Path:
    return Path(settings.database_address.partition("///")[2])


def _existing(folder: Path) -> Path:
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())

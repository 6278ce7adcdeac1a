"""`heirloom db`: the schema, brought to this version by hand where an operator does that; the sweep; backups."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from cli.errors import json_errors
from cli.progress import console
from cli.startup import make_private, migrated_database, open_database, prepare_database
from core.domain.errors import InvalidRequestError, StorageError
from core.settings import read_settings

if TYPE_CHECKING:
    from core.services.backup.archive import Contents

db_app = typer.Typer(no_args_is_help=True, help="The database's schema, and what is stored.")
Json = Annotated[bool, typer.Option("--json", help="Machine-readable on standard output.")]


@db_app.command("upgrade")
def upgrade_command(as_json: Json = False) -> None:
    """Bring the schema to this version; nothing happens where it is there. Make a backup before."""
    from migrations import run

    with json_errors(as_json):
        settings = read_settings()
        if settings.embedded:
            make_private(settings.home)
        url = settings.database_address
        run.upgrade(url)
        revision = run.current(url)
    _say({"revision": revision}, f"The database is at revision {revision}.", as_json)


@db_app.command("current")
def current_command(as_json: Json = False) -> None:
    """Say at which revision the database is, and which one this version needs."""
    from migrations import run

    with json_errors(as_json):
        at, needed = run.current(read_settings().database_address), run.newest()
    _say({"revision": at, "needed": needed}, f"At revision {at or 'none'}; this version needs {needed}.", as_json)


@db_app.command("sweep")
def sweep_command(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be removed.")] = False,
    as_json: Json = False,
) -> None:
    """Forget what has expired, and remove a day-old file that nothing names any more; workers do it once an hour."""
    from core.services.retention import forget_expired
    from core.services.sweep import sweep
    from core.storage.open import open_store

    with json_errors(as_json):
        settings = read_settings()
        with open_database(settings) as database:
            store = open_store(settings.storage_driver, settings.home, database, settings.object_storage)
            if not dry_run:
                forget_expired(database)
            swept = sweep(database, store, dry_run=dry_run)
    if swept.put_off:
        _say({"dry_run": dry_run, **asdict(swept)}, "Nothing removed: a sweep or a backup is under way.", as_json)
        return
    done = "would be removed" if dry_run else "removed"
    text = f"{swept.blobs} files ({swept.size_bytes / 2**20:.1f} MiB) and {swept.unfinished} unfinished ones {done}."
    _say({"dry_run": dry_run, **asdict(swept)}, text, as_json)


@db_app.command("backup")
def backup_command(
    file: Annotated[Path, typer.Argument(help="A new file; it will hold faces, so it is yours alone (0600).")],
    as_json: Json = False,
) -> None:
    """Write everything that is kept into one file, while the service runs: rows of one moment, and their files."""
    from core.services.backup.file import new_private_file
    from core.services.backup.make import make
    from core.storage.open import open_store

    with json_errors(as_json):
        settings = read_settings()
        with migrated_database(settings) as (database, revision), new_private_file(file) as target:
            contents = make(
                database,
                open_store(settings.storage_driver, settings.home, database, settings.object_storage),
                revision,
                target,
            )
    _say({"file": str(file), **asdict(contents)}, f"{_counted(contents)} written to {file}.", as_json)
    if contents.absent:
        raise StorageError(
            f"The backup is written, but {len(contents.absent)} files are missing or damaged, and not in it.",
            "`heirloom db check` names them.",
        )


@db_app.command("load")
def load_command(
    file: Annotated[Path, typer.Argument(help="Made by `heirloom db backup`.")],
    as_json: Json = False,
) -> None:
    """Load a backup into an empty installation, of any database and storage: all of it, or nothing."""
    from core.services.backup.archive import ArchiveReader
    from core.services.backup.load import load
    from core.storage.open import open_store

    with json_errors(as_json):
        settings = read_settings()
        prepare_database(settings)
        with migrated_database(settings) as (database, revision):
            store = open_store(settings.storage_driver, settings.home, database, settings.object_storage)
            with _opened(file) as source:
                contents = load(database, store, revision, ArchiveReader(source))
    _say({"file": str(file), **asdict(contents)}, f"{_counted(contents)} loaded from {file}.", as_json)


def _opened(file: Path) -> BinaryIO:
    try:
        return file.open("rb")
    except OSError as error:
        raise InvalidRequestError(f"{file} cannot be read: {error.strerror}.", "Name a backup.") from error


def _counted(contents: "Contents") -> str:
    rows = sum(contents.rows.values())
    return f"{rows} rows and {contents.blobs} files ({contents.size_bytes / 2**20:.1f} MiB)"


def _say(values: dict[str, Any], text: str, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(values, indent=1))
    else:
        console.print(text, highlight=False, markup=False)

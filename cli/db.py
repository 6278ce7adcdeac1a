"""`heirloom db`: the database's schema, brought to this version by hand where an operator does that, and the sweep."""

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer

from cli.errors import json_errors
from cli.progress import console
from cli.startup import make_private, open_database
from core.domain.errors import SettingsError
from core.settings import read_settings

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


@db_app.command("check")
def check_command(as_json: Json = False) -> None:
    """Compare the database with what this version reads and writes; exit code 1 where they differ."""
    from migrations import run

    with json_errors(as_json):
        drift = run.check(read_settings().database_address)
    if as_json:
        typer.echo(json.dumps({"drift": drift}, indent=1))
    if drift:
        for line in () if as_json else drift:
            console.print(line, highlight=False, markup=False, soft_wrap=True)
        raise SettingsError("The database's schema is another than this version's.", "Run `heirloom db upgrade`.")
    if not as_json:
        console.print("The database's schema is this version's.", highlight=False)


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
            store = open_store(settings.storage_driver, settings.home, database)
            if not dry_run:
                forget_expired(database)
            swept = sweep(database, store, dry_run=dry_run)
    done = "would be removed" if dry_run else "removed"
    text = f"{swept.blobs} files ({swept.size_bytes / 2**20:.1f} MiB) and {swept.unfinished} unfinished ones {done}."
    _say({"dry_run": dry_run, **asdict(swept)}, text, as_json)


def _say(values: dict[str, Any], text: str, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(values, indent=1))
    else:
        console.print(text, highlight=False, markup=False)

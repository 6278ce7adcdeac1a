"""`heirloom db`: the database's schema, brought to this version by hand where an operator does that."""

import json
from typing import Annotated

import typer

from cli.errors import json_errors
from cli.progress import console
from cli.startup import make_private
from core.domain.errors import SettingsError
from core.settings import read_settings

db_app = typer.Typer(no_args_is_help=True, help="The database's schema.")
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


def _say(values: dict[str, str | None], text: str, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(values, indent=1))
    else:
        console.print(text, highlight=False, markup=False)

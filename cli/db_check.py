"""`heirloom db check`: whether the schema, every row and every stored file are as they must be."""

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cli.errors import json_errors
from cli.progress import console
from cli.startup import migrated_database
from core.domain.errors import SettingsError, StorageError
from core.settings import Settings, read_settings

if TYPE_CHECKING:
    from core.services.integrity import Checked


def check_command(
    quick: Annotated[bool, typer.Option("--quick", help="Look whether files are there, and do not read them.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable on standard output.")] = False,
) -> None:
    """Check the schema, every row and every stored file, and change nothing; exit code 1 where something is wrong."""
    from migrations import run

    with json_errors(as_json):
        settings = read_settings()
        drift = run.check(settings.database_address)
        checked = None if drift else _checked(settings, quick=quick)
    if as_json:
        typer.echo(json.dumps({"drift": drift, **({} if checked is None else asdict(checked))}, indent=1))
    else:
        _print(drift, checked)
    if drift:
        raise SettingsError("The database's schema is another than this version's.", "Run `heirloom db upgrade`.")
    if checked is not None and checked.faults:
        raise StorageError(
            f"{sum(fault.count for fault in checked.faults)} things are not as they must be.",
            "Nothing damaged is ever used. Load a backup, or have what is missing sent again.",
        )


def _checked(settings: Settings, *, quick: bool) -> "Checked":
    from core.services.integrity import check
    from core.storage.open import open_store

    columns = (TextColumn("files"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with (
        migrated_database(settings) as (database, _),
        Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as bars,
    ):
        bar = bars.add_task("files")
        store = open_store(settings.storage_driver, settings.home, database, settings.object_storage)
        return check(
            database,
            store,
            read=not quick,
            on_blob=lambda done, total: bars.update(bar, completed=done, total=total),
        )


def _print(drift: list[str], checked: "Checked | None") -> None:
    lines = list(drift)
    if checked is not None:
        for fault in checked.faults:
            lines.append(f"{fault.table}: {fault.count} {fault.text}")
            lines += [f"  {name}" for name in fault.ids]
            lines += [f"  and {fault.count - len(fault.ids)} more"] * (fault.count > len(fault.ids))
        mebibytes = checked.size_bytes / 2**20
        lines += [
            "The database's schema is this version's.",
            f"{checked.blobs} files that rows name, {mebibytes:.1f} MiB of them read; "
            f"{checked.unnamed} that none does ({checked.unnamed_bytes / 2**20:.1f} MiB), to be swept.",
        ]
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)

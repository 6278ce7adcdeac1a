"""`heirloom keys`: who may call the service. A key is shown once, when it is made."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.markup import escape
from sqlalchemy.orm import Session

from cli.errors import json_errors
from cli.progress import console
from cli.startup import open_database
from core.db.tables import ApiKey
from core.services import keys
from core.services.access import Scope
from core.settings import read_settings

keys_app = typer.Typer(no_args_is_help=True, help="Who may call the service.")
Json = Annotated[bool, typer.Option("--json", help="Machine-readable on standard output.")]


@keys_app.command("create")
def create_command(
    owner: Annotated[str, typer.Option(help="Whose things it reaches; made where there is none of that name.")],
    name: Annotated[str, typer.Option(help="What it is for.")] = "",
    scope: Annotated[list[Scope] | None, typer.Option(help="What it may do; default read and write.")] = None,
    days: Annotated[int | None, typer.Option(min=1, help="When it ends; default never.")] = None,
    as_json: Json = False,
) -> None:
    """Make a key and show it, this once: only its hash is kept."""
    with json_errors(as_json), _transaction() as session:
        expires_at = None if days is None else datetime.now(UTC) + timedelta(days=days)
        key, token = keys.create(session, owner, name, scope or (Scope.READ, Scope.WRITE), expires_at)
        row = _as_json(key, owner)
    if as_json:
        typer.echo(json.dumps({"key": token, **row}, indent=1))
        return
    typer.echo(token)
    console.print(f"{row['id']} of {owner}: keep it, it is not shown again.", highlight=False, markup=False)


@keys_app.command("list")
def list_command(as_json: Json = False) -> None:
    """Show every key: whose, what it may, when it was used last. The keys themselves nobody can show."""
    with json_errors(as_json), _transaction() as session:
        rows = [_as_json(key, owner.name) for key, owner in keys.listed(session)]
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    for row in rows:
        state = "[red]revoked[/]" if row["revoked_at"] else f"used {row['last_used_at'] or 'never'}"
        until = f", until {row['expires_at']}" if row["expires_at"] else ""
        about = f"{escape(row['owner'])} {escape(row['name'])}".strip()
        console.print(f"{row['id']}  {about}  {' '.join(row['scopes'])}{until}  {state}", highlight=False)
    if not rows:
        console.print("There are no keys; `heirloom keys create --owner NAME` makes one.", highlight=False)


@keys_app.command("revoke")
def revoke_command(
    key: Annotated[str, typer.Argument(help="Its id, key_…, as `heirloom keys list` shows it.")], as_json: Json = False
) -> None:
    """End a key at once."""
    with json_errors(as_json), _transaction() as session:
        row = keys.revoke(session, key)
        revoked = {"id": row.id, "revoked_at": _moment(row.revoked_at)}
    if as_json:
        typer.echo(json.dumps(revoked, indent=1))
        return
    console.print(f"{key} is revoked.", highlight=False, markup=False)


@contextmanager
def _transaction() -> Iterator[Session]:
    with open_database(read_settings()) as database, database.write() as session:
        yield session


def _as_json(key: ApiKey, owner: str) -> dict[str, Any]:
    moments = {name: _moment(getattr(key, name)) for name in ("created_at", "expires_at", "revoked_at", "last_used_at")}
    return {"id": key.id, "owner": owner, "owner_id": key.owner_id, "name": key.name, "scopes": key.scopes, **moments}


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="seconds")

"""From errors to one clear line and an exit code: the command line's one table."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.markup import escape

from cli.progress import console
from core.domain.errors import (
    AlbumMixedIdentityError,
    AlbumTooSmallError,
    BadInputError,
    CancelledError,
    CheckpointError,
    HeirloomError,
    InvalidRecipeError,
    InvalidRequestError,
    OutOfMemoryError,
    OutputError,
    PriorError,
)

EXIT_CODES: tuple[tuple[type[HeirloomError], int], ...] = (
    (CancelledError, 130),
    (InvalidRecipeError, 2),
    (InvalidRequestError, 2),
    (BadInputError, 3),
    (PriorError, 4),
    (CheckpointError, 5),
    (OutputError, 6),
    (OutOfMemoryError, 7),
    (HeirloomError, 1),
)


def exit_code_of(error: HeirloomError) -> int:
    """The process's exit code for an error.

    2 wrong use, 3 the photo or album, 4 the prior, 5 the checkpoint, 6 the output, 7 memory, 130 stopped, 1 any other.
    """
    return next(code for kind, code in EXIT_CODES if isinstance(error, kind))


def print_error(error: HeirloomError, label: str = "") -> None:
    """One line: what happened and what to do next."""
    where = f"{label}: " if label else ""
    console.print(f"[bold red]error[/] {escape(where + str(error))}", soft_wrap=True, highlight=False)


def print_warning(warning: HeirloomError, label: str) -> None:
    """The same for what did not stop the work."""
    console.print(f"[yellow]warning[/] {escape(f'{label}: {warning}')}", soft_wrap=True, highlight=False)


def error_as_json(error: HeirloomError) -> dict[str, Any]:
    """An error as programs read it; where an album's photos were looked at, with the report on them."""
    said: dict[str, Any] = {"code": error.code, "detail": error.message, "advice": error.advice}
    if isinstance(error, AlbumTooSmallError | AlbumMixedIdentityError) and error.report is not None:
        said["album"] = error.report.as_json()
    return said


@contextmanager
def json_errors(wanted: bool) -> Iterator[None]:
    """With `--json`, an error that ends the command stands on standard output too; the line and exit code stay."""
    try:
        yield
    except HeirloomError as error:
        if wanted:
            typer.echo(json.dumps({"error": error_as_json(error)}, indent=1))
        raise


def fail(error: HeirloomError) -> int:
    """Print an error and give its exit code."""
    print_error(error)
    sys.stderr.flush()
    return exit_code_of(error)

"""From errors to one clear line and an exit code: the command line's one table."""

import sys

from rich.markup import escape

from cli.progress import console
from core.domain.errors import (
    BadInputError,
    CancelledError,
    CheckpointError,
    HeirloomError,
    InvalidRecipeError,
    OutOfMemoryError,
    OutputError,
    PriorError,
)

EXIT_CODES: tuple[tuple[type[HeirloomError], int], ...] = (
    (CancelledError, 130),
    (InvalidRecipeError, 2),
    (BadInputError, 3),
    (PriorError, 4),
    (CheckpointError, 5),
    (OutputError, 6),
    (OutOfMemoryError, 7),
    (HeirloomError, 1),
)


def exit_code_of(error: HeirloomError) -> int:
    """The process's exit code for an error: 0 success, 2 wrong use, 3 input, 4 prior, 5 checkpoint, 6 output."""
    return next(code for kind, code in EXIT_CODES if isinstance(error, kind))


def print_error(error: HeirloomError, label: str = "") -> None:
    """One line: what happened and what to do next."""
    where = f"{label}: " if label else ""
    console.print(f"[bold red]error[/] {escape(where + str(error))}", soft_wrap=True, highlight=False)


def fail(error: HeirloomError) -> int:
    """Print an error and give its exit code."""
    print_error(error)
    sys.stderr.flush()
    return exit_code_of(error)

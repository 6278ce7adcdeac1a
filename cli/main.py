"""The `heirloom` command."""

import sys

import click
import typer

from cli.errors import fail
from cli.train import train_command
from core.domain.errors import HeirloomError

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
models_app = typer.Typer(no_args_is_help=True, help="The pretrained models: list, pull, convert, train, verify.")
models_app.command("train")(train_command)
app.add_typer(models_app, name="models")


@app.callback()
def heirloom() -> None:
    """Restore people's photos by generation, constrained by their own album."""


def main() -> None:
    """Run the command; an error is one line and an exit code."""
    try:
        app(standalone_mode=False)
    except HeirloomError as error:
        sys.exit(fail(error))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.exceptions.Abort, KeyboardInterrupt):
        sys.exit(130)

"""The `heirloom` command."""

import sys

import click
import typer

from cli.demo import demo_command
from cli.doctor import doctor_command
from cli.errors import fail
from cli.recipes import recipes_command
from cli.restore import restore_command
from cli.train import train_command
from cli.tune import tune_command
from core.domain.errors import HeirloomError

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
models_app = typer.Typer(no_args_is_help=True, help="The pretrained models: list, pull, convert, train, verify.")
models_app.command("train")(train_command)
app.command("restore")(restore_command)
app.command("tune")(tune_command)
app.command("recipes")(recipes_command)
app.command("doctor")(doctor_command)
app.command("demo")(demo_command)
app.add_typer(models_app, name="models")


@app.callback()
def heirloom() -> None:
    """Restore people's photos by generation, constrained by their own album."""


def main() -> None:
    """Run the command; an error is one line and an exit code."""
    try:
        # Not standalone: errors come here instead of ending the process, and Exit's code is returned.
        code = app(standalone_mode=False)
    except HeirloomError as error:
        sys.exit(fail(error))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.exceptions.Abort, KeyboardInterrupt):
        sys.exit(130)
    sys.exit(code if isinstance(code, int) else 0)

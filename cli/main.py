"""The `heirloom` command."""

import sys

import typer

from cli.album import album_command
from cli.calibrate import calibrate_command
from cli.db import db_app
from cli.db_check import check_command
from cli.demo import demo_command
from cli.doctor import doctor_command
from cli.errors import fail
from cli.faces import faces_command
from cli.keys import keys_app
from cli.models import models_app
from cli.recipes import recipes_command
from cli.restore import restore_command
from cli.serve import serve_command
from cli.train import train_command
from cli.tune import tune_command
from cli.worker import worker_command
from core.domain.errors import HeirloomError

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
models_app.command("train")(train_command)
models_app.command("calibrate")(calibrate_command)
db_app.command("check")(check_command)
app.command("restore")(restore_command)
app.command("faces")(faces_command)
app.command("tune")(tune_command)
app.command("album")(album_command)
app.command("recipes")(recipes_command)
app.command("doctor")(doctor_command)
app.command("demo")(demo_command)
app.command("serve")(serve_command)
app.command("worker")(worker_command)
app.add_typer(models_app, name="models")
app.add_typer(keys_app, name="keys")
app.add_typer(db_app, name="db")


@app.callback()
def heirloom() -> None:
    """Restore people's photos by generation, constrained by their own album."""


def main() -> None:
    """Run the command; an error of ours is one line and an exit code, wrong use is typer's to say."""
    try:
        app()
    except HeirloomError as error:
        sys.exit(fail(error))

"""`heirloom worker`: one more process that takes jobs, here or on another host of the same database."""

import os
from importlib.util import find_spec
from typing import Annotated

import typer

from cli.device import INSTALL
from cli.progress import console
from cli.settings import start_logs
from cli.startup import open_database, prepare
from core import logs
from core.domain.errors import HeirloomError
from core.priors.licence import licence_line
from core.settings import Settings, read_settings


def worker_command(
    check: Annotated[
        bool, typer.Option("--check", help="Only say whether a worker of this host is alive; exit code 1 if not.")
    ] = False,
) -> None:
    """Take jobs until told to stop, then finish the step in hand and give them back."""
    settings = read_settings()
    if check:
        raise typer.Exit(0 if is_alive(settings) else 1)
    if find_spec("torch") is None:
        raise HeirloomError("torch is not installed, and a worker computes.", f"Install it: {INSTALL}.")
    start_logs(settings)
    prior = prepare(settings)
    logs.get_logger(__name__).info("worker_starting", prior=licence_line(prior), rung=bool(settings.broker_address))
    raise typer.Exit(_with_celery() if settings.broker_address else _alone())


def is_alive(settings: Settings) -> bool:
    """Whether a worker that runs on this host was heard of within a lease; says which, or that there is none."""
    from core.db import workers

    host = os.uname().nodename
    with open_database(settings) as database, database.read() as session:
        ours = [
            worker.name
            for worker in workers.alive(session, settings.lease)
            if worker.name.startswith(f"{host}-") and worker.state != "gone"
        ]
    console.print(f"alive: {', '.join(ours)}" if ours else f"No worker of {host} was heard of.", highlight=False)
    return bool(ours)


def _with_celery() -> int:
    # Celery's own command, without its banner; gossip, mingle and heartbeats are for workers that talk to each other.
    from worker.app import app

    celery_worker = app.Worker(quiet=True, without_gossip=True, without_mingle=True, without_heartbeat=True)
    celery_worker.start()
    return int(celery_worker.exitcode or 0)


def _alone() -> int:
    from worker.__main__ import main

    return int(main() or 0)

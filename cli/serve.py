"""`heirloom serve`: the API, and in the embedded mode its one worker."""

import socket
from typing import Annotated

import typer

from cli.listening import open_listener, url_of
from cli.progress import console
from cli.settings import settings_with, start_logs
from cli.startup import prepare
from cli.worker_process import WorkerProcess
from core import logs
from core.priors.licence import licence_line
from core.priors.spec import PriorSpec
from core.settings import Settings


def serve_command(
    host: Annotated[str | None, typer.Option(help="The address to listen on; default HEIRLOOM_HOST.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="The port, 0 for any free one; default HEIRLOOM_PORT.")
    ] = None,
    no_worker: Annotated[bool, typer.Option("--no-worker", help="The API alone; `heirloom worker` beside it.")] = False,
) -> None:
    """Serve the REST API; in the embedded mode with one worker. Ctrl-C stops it, twice at once."""
    settings = settings_with(host=host, port=port)
    start_logs(settings)
    with open_listener(
        settings.host, settings.port
    ) as listener:  # first: what is taken is said before anything is made
        _serve_on(listener, settings_with(port=listener.getsockname()[1]), with_worker=not no_worker)


def _serve_on(listener: socket.socket, settings: Settings, *, with_worker: bool) -> None:
    prior = prepare(settings)
    from api.app import from_environment  # here: no other command has to wait for these
    from api.edge.limits import connection_limits
    from cli.http_server import serve

    worker = WorkerProcess("worker", settings.drain_seconds) if settings.embedded and with_worker else None

    def begin() -> None:
        announce(settings, listener, prior)
        if worker is not None:
            worker.start()  # after the API answers: loading torch takes the processor for seconds

    app = from_environment()
    service = app.state.service
    serve(app, listener, worker, begin, service.stopping.set, connection_limits(settings), service.shedding)


def announce(settings: Settings, listener: socket.socket, prior: PriorSpec) -> None:
    """Say where it listens, and with which prior under which licence."""
    url, mode = url_of(listener), "embedded" if settings.embedded else "server"
    if settings.log_driver == "json":
        log = logs.get_logger(__name__)
        log.info("listening", url=url, mode=mode, keys=settings.keys_required, prior=licence_line(prior))
        return
    keys = "every request needs a key" if settings.keys_required else "no keys: this machine only"
    for line in (f"Heirloom listens on {url} ({mode}; {keys})", f"prior: {licence_line(prior)}"):
        console.print(line, highlight=False, soft_wrap=True, markup=False)

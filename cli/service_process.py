"""A `heirloom serve` of one's own: on a free port, with a home that goes with it."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from cli.listening import open_listener, url_of
from core.domain.errors import HeirloomError

START_SECONDS = 120
"""Loading torch from a cold disk takes most of it."""
STOP_SECONDS = 10
_OURS = ("HEIRLOOM_PRIOR", "HEIRLOOM_DEFAULT_RECIPE", "HEIRLOOM_RECIPES_FILE")
"""Settings of the caller's that a service of one's own keeps."""


@contextmanager
def running_service(home: Path, log: Path, **settings: str) -> Iterator[str]:
    """Start a service, wait until it and its worker are ready, end it with the block.

    Args:
        home: its HEIRLOOM_HOME.
        log: what it says goes there.
        settings: values by a setting's name.

    Yields:
        Its address.

    Raises:
        HeirloomError: it does not start; says where to read why.
    """
    with open_listener("127.0.0.1", 0) as probe:  # free at this moment; a port that is taken since is said by `serve`
        url, port = url_of(probe), probe.getsockname()[1]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HEIRLOOM_") or name in _OURS}
    chosen = {f"HEIRLOOM_{name.upper()}": value for name, value in settings.items()}
    environment = kept | chosen | {"HEIRLOOM_HOME": str(home)}
    reading, writing = os.pipe()  # see cli/child.py: nothing is left behind, whatever becomes of us
    command = [
        sys.executable,
        "-P",
        "-m",
        "cli.child",
        str(reading),
        str(STOP_SECONDS),
        "cli",
        "serve",
        "--port",
        str(port),
    ]
    try:
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603  # our own module
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(reading,),
                start_new_session=True,
            )
        try:
            _wait_until_ready(process, url, log)
            yield url
        finally:
            _end(process)
    finally:
        os.close(reading)
        os.close(writing)


def _wait_until_ready(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise HeirloomError("The service did not start.", f"{log} says why.")
        try:
            if httpx.get(f"{url}/readyz", timeout=5).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass  # it does not listen yet
        time.sleep(0.2)
    raise HeirloomError(f"The service was not ready after {START_SECONDS} s.", f"{log} says what it waits for.")


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.terminate()  # a second time: at once, and the worker with it
        process.wait()

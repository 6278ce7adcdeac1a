"""A process that has loaded everything a worker needs, and forks one in 50 ms where starting one takes five seconds.

`python -m tests.chaos.zygote`: a line of JSON on its input is a command, a line on its output an event. It has computed
nothing and has no thread, so what it forks is as fresh as a process can be. Its workers are killed by it alone, who
has not waited for them yet: a pid cannot have become somebody else's.
"""

import gc
import json
import os
import random
import select
import signal
import sys
import traceback
from contextlib import suppress
from typing import Any

from core.imaging import models
from core.priors import adapters, diffusers_folder, locate  # noqa: F401  # loaded once, for all of them
from tests.chaos import hooks
from worker.__main__ import main as work


def serve() -> None:
    """Take commands until the input ends; no worker outlives that."""
    hooks.install()
    models.landmark_predictor()
    models.recognition_network()
    gc.freeze()  # what is here is not looked through again by every worker after every job
    waking, woken = os.pipe()
    for end in (waking, woken):
        os.set_blocking(end, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    children: set[int] = set()
    pending = b""
    while True:
        ready, _, _ = select.select([0, waking], [], [])
        if waking in ready:
            with suppress(BlockingIOError):
                os.read(waking, 4096)
        _bury(children)
        if 0 in ready:
            data = os.read(0, 65536)
            if not data:
                break
            *lines, pending = (pending + data).split(b"\n")
            for line in lines:
                _obey(json.loads(line), children)
    for pid in children:
        os.kill(pid, signal.SIGKILL)


def _obey(command: dict[str, Any], children: set[int]) -> None:
    if "fork" in command:
        pid = os.fork()
        if pid == 0:
            _become_worker(command["fork"])
        children.add(pid)
        _tell({"born": pid})
    else:
        _bury(children)
        if command["pid"] in children:
            os.kill(command["pid"], command["signal"])


def _bury(children: set[int]) -> None:
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        children.discard(pid)
        _tell({"ended": pid, "code": os.waitstatus_to_exitcode(status)})


def _tell(event: dict[str, Any]) -> None:
    os.write(1, json.dumps(event).encode() + b"\n")


def _become_worker(log: str) -> None:
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setpgid(0, 0)  # no session of its own: on many systems each has its own share of the processors, nice or not
        silence, output = os.open(os.devnull, os.O_RDONLY), os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(silence, 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        random.seed()
        # Each at a station of its own: killed by us one after another, a common one would be set aside as broken.
        os.environ["HEIRLOOM_WORKER_STATION"] = f"chaos-{os.getpid()}"
        code = work()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve()

"""A child process that does not outlive its parent: `python -m cli.child DESCRIPTOR SECONDS MODULE`.

Runs a module as `python -m MODULE` does. The descriptor is the reading end of a pipe whose other end the parent alone
holds: when it closes, the parent is gone, however it died. Then this process tells itself to stop, as an operator would
with SIGTERM, and ends by force where that takes longer than so many seconds. (Linux has PR_SET_PDEATHSIG for this, but
that follows the thread that made the child, and other systems do not have it.)
"""

import os
import runpy
import signal
import sys
import threading
import time


def main() -> None:
    """Watch the pipe, and be the module."""
    descriptor, seconds, module = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
    threading.Thread(target=_follow, args=(descriptor, seconds), name="parent-watch", daemon=True).start()
    sys.argv = [module, *sys.argv[4:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _follow(descriptor: int, seconds: float) -> None:
    while os.read(descriptor, 1):
        pass  # nobody writes; an empty read is the end
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(seconds)
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    main()

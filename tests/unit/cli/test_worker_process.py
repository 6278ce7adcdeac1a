"""With small modules in the worker's place: what is kept alive here knows nothing of photos."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cli import worker_process
from cli.worker_process import WorkerProcess

DRAINS = """
import signal, sys, time
from pathlib import Path
def drain(*_):
    Path("drained").write_text("yes")
    sys.exit(0)
signal.signal(signal.SIGTERM, drain)
Path("ready").write_text("yes")
time.sleep(60)
"""
DEAF = """
import signal, time
from pathlib import Path
signal.signal(signal.SIGTERM, signal.SIG_IGN)
Path("ready").write_text("yes")
time.sleep(60)
"""
DIES = """
from pathlib import Path
starts = Path("starts")
starts.write_text(starts.read_text() + "x" if starts.exists() else "x")
raise SystemExit(3)
"""


def until(condition, what="it"):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come about"
        time.sleep(0.02)


def gone(pid):
    """Ended, or ended and not yet collected by whoever is its parent now."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Makes `python -m stand_in` run some code, with the test's folder as its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def write(code):
        (tmp_path / "stand_in.py").write_text(code)
        return "stand_in"

    return write


@pytest.fixture
def kept(module):
    """A started WorkerProcess, which is surely ended."""
    started = []

    def start(code, **changes):
        process = WorkerProcess(module(code), **{"drain_seconds": 20.0, "first_pause_seconds": 0.01, **changes})
        started.append(process)
        process.start()
        return process

    yield start
    for process in started:
        process.kill()


def test_a_worker_is_drained_at_the_end(kept, tmp_path):
    process = kept(DRAINS)
    until((tmp_path / "ready").exists)
    pid = process.pid
    process.stop()
    assert (tmp_path / "drained").exists()
    assert gone(pid)
    assert process.pid is None


def test_a_worker_that_dies_is_begun_again_later_and_later(kept, tmp_path):
    process = kept(DIES)
    until(lambda: (tmp_path / "starts").exists() and len((tmp_path / "starts").read_text()) >= 3)
    process.stop()
    starts = len((tmp_path / "starts").read_text())
    time.sleep(0.2)
    assert len((tmp_path / "starts").read_text()) == starts


def test_a_worker_that_does_not_drain_is_ended_by_force(kept, tmp_path, monkeypatch):
    monkeypatch.setattr(worker_process, "FORCE_AFTER_SECONDS", 0.3)
    process = kept(DEAF, drain_seconds=0.2)
    until((tmp_path / "ready").exists)
    pid = process.pid
    process.stop()
    assert gone(pid)


def test_to_kill_takes_what_the_worker_started_with_it(kept, tmp_path):
    code = (
        "import subprocess, sys\nfrom pathlib import Path\n"
        "inner = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "Path('new').write_text(str(inner.pid))\nPath('new').rename('inner')\ninner.wait()"
    )
    process = kept(code)
    until((tmp_path / "inner").exists)
    inner = int((tmp_path / "inner").read_text())
    process.kill()
    until(lambda: gone(inner), "the inner process's end")


def test_one_that_was_never_started_stops_at_once(module):
    WorkerProcess(module(DRAINS), drain_seconds=20.0).stop()


@pytest.mark.parametrize(("code", "left"), [(DRAINS, {"ready", "drained"}), (DEAF, {"ready"})], ids=["drains", "deaf"])
def test_a_worker_does_not_outlive_a_parent_that_was_killed(module, tmp_path, code, left):
    parent = (
        "import time\nfrom cli import worker_process\nworker_process.FORCE_AFTER_SECONDS = 0.3\n"
        f"process = worker_process.WorkerProcess({module(code)!r}, drain_seconds=0.2)\nprocess.start()\n"
        "while process.pid is None: time.sleep(0.01)\n"
        "print(process.pid, flush=True)\ntime.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True) as started:  # noqa: S603  # our own
        pid = int(started.stdout.readline())
        until((tmp_path / "ready").exists)
        os.kill(started.pid, signal.SIGKILL)
    until(lambda: gone(pid), "the worker's end")
    assert {path.name for path in tmp_path.iterdir()} & {"ready", "drained"} == left

import subprocess
import sys
import threading

import pytest

from worker.watchdog import STALLED_EXIT_CODE, Watchdog


@pytest.fixture
def now():
    return [0.0]


@pytest.fixture
def watchdog(now):
    return Watchdog(60.0, clock=lambda: now[0])


def test_without_work_nothing_stalls(watchdog, now):
    now[0] = 1000.0
    assert not watchdog.stalled


def test_work_stalls_when_no_step_is_finished_for_too_long(watchdog, now):
    now[0] = 1000.0
    with watchdog.working():
        now[0] += 60.0
        assert not watchdog.stalled
        watchdog.step()
        now[0] += 60.0
        assert not watchdog.stalled
        now[0] += 0.1
        assert watchdog.stalled
    assert not watchdog.stalled


def test_the_thread_says_so_once():
    stalled = threading.Event()
    watchdog = Watchdog(0.01, stalled.set)
    with watchdog.working():
        watchdog.start()
        assert stalled.wait(10)
    watchdog.stop()


def test_a_worker_that_hangs_ends_itself():
    code = (
        "import threading\n"
        "from worker.watchdog import Watchdog\n"
        "watchdog = Watchdog(0.05)\n"
        "watchdog.start()\n"
        "with watchdog.working():\n"
        "    threading.Event().wait(60)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603  # our own code
    assert ended.returncode == STALLED_EXIT_CODE
    assert "worker_stalled" in ended.stderr

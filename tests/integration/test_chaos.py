"""A slice of chaos, every kind of fault at least once. Longer ones: `make chaos`, docs/how-to/chaos.md."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.disk import can_mount
from tests.chaos.options import EVERY_SECONDS, Mode
from tests.chaos.plan import Kind

ROOT = Path(__file__).resolve().parents[2]
ON_A_DISK = {Kind.DISK_BLOBS, Kind.DISK_HOME}
UNSURE = {Kind.POINT_ZOMBIE, Kind.RESET}
"""They wait at points that in so short a time nobody may reach; the longer campaigns say how often they came."""
# Seeds under which orders are given early at points that every worker reaches.
SERVER = ("--seed", "125", "--minutes", "0.3", "--workers", "6", "--lease", "5")
EMBEDDED = ("--embedded", "--seed", "133", "--minutes", "0.15", "--workers", "5", "--lease", "5")


@pytest.mark.parametrize(("mode", "options"), [(Mode.SERVER, SERVER), (Mode.EMBEDDED, EMBEDDED)])
def test_whatever_is_killed_stopped_or_filled_every_accepted_job_ends_once(mode, options, tmp_path, request):
    if mode is Mode.SERVER:
        request.getfixturevalue("postgres_server")  # where its programs are not here, it skips and says so
        request.getfixturevalue("redis_server")
    command = [sys.executable, "-m", "tests.chaos", *options, "--folder", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603  # our own
    said = f"{done.stdout}\n{done.stderr}"
    assert done.returncode == 0, said
    values = json.loads((tmp_path / "campaigns.jsonl").read_text())
    assert not values["problems"], said
    kinds = {Kind(kind) for kind in values["faults"]}
    assert kinds >= set(EVERY_SECONDS[mode]) - UNSURE - (set() if can_mount() else ON_A_DISK), said
    assert values["ends"]["succeeded"] > 5, said

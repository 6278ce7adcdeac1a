"""What git would hand to somebody who clones the repository."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def tracked_files(folder: str = ".") -> list[str]:
    """The names git tracks below a folder, from the root; the test is skipped where there is no git checkout."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("needs git and its checkout: nothing else tells which files would be shipped")
    command = ["git", "-c", "safe.directory=*", "ls-files", folder]  # in a container, another user may own the checkout
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()  # noqa: S603  # our own command
    assert listed, f"git tracks nothing in {folder}"
    return listed

"""The README's calls, as they stand there, against a service that was started as it says."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from core.imaging.intake import decode_photo
from tests.acceptance.people import album_photos, degraded_photos, zipped
from tests.acceptance.service import embedded

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("README.md", "docs/tutorial-service.md")
ADDRESS = "http://127.0.0.1:8000"


def scripts(page):
    """What a page marks as executed: one shell script, for later blocks use what earlier ones set."""
    return "\n".join(re.findall(r"<!-- executed -->\n```sh\n(.*?)^```", (ROOT / page).read_text(), re.DOTALL | re.M))


@pytest.mark.parametrize("page", PAGES)
def test_what_is_documented_as_calls_does_what_it_says(page, tmp_path):
    if shutil.which("curl") is None:
        pytest.skip("needs curl")
    script = scripts(page)
    assert ADDRESS in script
    (tmp_path / "album.zip").write_bytes(zipped(album_photos()))
    (tmp_path / "photo.jpg").write_bytes(degraded_photos(1)[0])
    with embedded(tmp_path / "service") as service:
        done = subprocess.run(  # noqa: S603  # our own documents
            ["bash", "-euo", "pipefail", "-c", script.replace(ADDRESS, service.url)],  # noqa: S607  # the system's
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "succeeded" in done.stdout
    assert decode_photo((tmp_path / "restored.jpg").read_bytes()).shape[2] == 3

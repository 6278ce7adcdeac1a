"""Fixtures that every test may use."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real photos and reference vectors beside the checkout.

    Tests that need it skip, and say so, where it is absent; in CI it must be there.
    """
    default = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("HEIRLOOM_SHARED", str(default)))
    if not folder.is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail("the shared material must be present in CI")
        pytest.skip("needs the shared material beside the checkout (photos and reference vectors)")
    return folder

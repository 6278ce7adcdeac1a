"""Settings from the environment, read at this edge and passed on as values."""

import os
from pathlib import Path

import platformdirs


def home() -> Path:
    """HEIRLOOM_HOME, or the user's data folder: pulled priors and resume states lie there."""
    configured = os.environ.get("HEIRLOOM_HOME")
    return Path(configured).expanduser() if configured else Path(platformdirs.user_data_dir("heirloom"))


def prior_name() -> str:
    """HEIRLOOM_PRIOR: `starter` (default), a catalog name, or a path."""
    return os.environ.get("HEIRLOOM_PRIOR", "starter")


def default_recipe() -> str | None:
    """HEIRLOOM_DEFAULT_RECIPE, or None: then the prior's resolution decides."""
    return os.environ.get("HEIRLOOM_DEFAULT_RECIPE")

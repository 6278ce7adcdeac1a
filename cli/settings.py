"""Settings as the commands see them: `core.settings` read at this edge, and passed on as values."""

import os
from pathlib import Path

from core import logs
from core.imaging.faces.open import FinderChoice
from core.recipes.own import read_own_recipes
from core.recipes.presets import Preset
from core.settings import Settings, read_settings


def home() -> Path:
    """HEIRLOOM_HOME, or the user's data folder: pulled priors and resume states lie there."""
    return read_settings().home


def prior_name() -> str:
    """HEIRLOOM_PRIOR: `starter` (default), a catalog name, or a path."""
    return read_settings().prior


def default_recipe() -> str | None:
    """HEIRLOOM_DEFAULT_RECIPE, or None: then the prior's resolution decides."""
    return read_settings().default_recipe or None


def own_recipes() -> dict[str, Preset]:
    """The recipes of HEIRLOOM_RECIPES_FILE, by name; none where it is not set.

    Raises:
        InvalidRecipeError: the file holds none that can be used.
    """
    path = read_settings().recipes_file
    return read_own_recipes(path) if path is not None else {}


def face_finder() -> FinderChoice:
    """HEIRLOOM_FACE_FINDER, and its file; looked at, so that a wrong one is not the first photo's fault.

    Raises:
        SettingsError: it cannot be opened.
    """
    settings = read_settings()
    finder = FinderChoice(settings.face_finder, settings.yunet_model)
    finder.check()
    return finder


def settings_with(**options: object) -> Settings:
    """The settings, some of them given on the command line instead.

    They are put into this process's environment, so that what reads it later, here or in a child, sees the same.

    Args:
        options: values by a setting's name; None leaves it as it is.

    Raises:
        SettingsError: one is wrong.
    """
    for name, value in options.items():
        if value is not None:
            os.environ[f"HEIRLOOM_{name.upper()}"] = str(value)
    return read_settings()


def start_logs(settings: Settings) -> None:
    """Logs of a process that goes on running; the other commands talk to a person instead."""
    logs.configure(settings.log_driver, settings.log_level, settings.secrets)

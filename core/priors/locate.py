"""From a prior's name to a loaded prior."""

from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from core.domain.errors import PriorUnavailableError
from core.priors.calibration import read_calibration
from core.priors.catalog import CATALOG, by_hand_advice
from core.priors.diffusers_config import is_diffusers_folder
from core.priors.spec import PRIOR_FILE, PriorSpec, read_spec

if TYPE_CHECKING:
    import torch

    from core.priors.diffusers_unet import UNetPrior

STARTER_FOLDER = Path(__file__).parent / "starter"


def locate_prior(name: str, home: Path) -> Path:
    """The folder of a prior.

    Args:
        name: `starter`, the name of a pulled or converted prior under home/priors, or a path.
        home: HEIRLOOM_HOME.

    Raises:
        PriorUnavailableError: nothing of that name is here; says what can be done.
    """
    if name == "starter":
        return STARTER_FOLDER
    path = _as_path(name)
    plain = path.name == name and not name.startswith(".")  # a path must not climb out of home/priors by accident
    for folder in (home / "priors" / name, path) if plain else (path,):
        if name and _holds(folder.is_dir):
            return folder
    raise PriorUnavailableError(f"The prior {name!r} is not on this machine.", _advice(name, path, home))


def _as_path(name: str) -> Path:
    try:
        return Path(name).expanduser()
    except RuntimeError:  # ~ and the name of nobody
        return Path(name)


def _holds(check: Callable[[], bool]) -> bool:
    try:
        return check()
    except OSError:  # a name longer than the file system takes
        return False


def _advice(name: str, path: Path, home: Path) -> str:
    if _holds(path.is_file):
        return (
            f"It is a file: `heirloom models convert {name} -o FOLDER` makes a prior of a guided-diffusion checkpoint."
        )
    entry = CATALOG.get(name)
    if entry is not None and entry.files:
        return f"`heirloom models pull {name}` fetches it."
    if entry is not None:
        return by_hand_advice(entry, home / "priors" / name)
    here = ["starter", *installed_priors(home)]
    near = get_close_matches(name, [*here, *CATALOG], n=1)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    return f"{hint}`heirloom models list` shows what can be pulled; here are: {', '.join(here)}."


def describe_prior(name: str, home: Path) -> PriorSpec:
    """What a prior is, without loading it and without torch.

    Args:
        name: see `locate_prior`.
        home: HEIRLOOM_HOME.

    Raises:
        PriorUnavailableError: it is not here.
        PriorError: its description is wrong.
        WeightsRejectedError: it has no weights to describe.
    """
    return read_spec(locate_prior(name, home))


def is_calibrated(name: str, home: Path, spec: PriorSpec) -> bool:
    """Whether K can follow from the photo with a prior; without loading it and without torch.

    Args:
        name: see `locate_prior`.
        home: HEIRLOOM_HOME.
        spec: the prior's description.

    Raises:
        PriorUnavailableError: it is not here.
        PriorError: its calibration is damaged.
    """
    return read_calibration(locate_prior(name, home), spec) is not None


def is_prior_folder(folder: Path) -> bool:
    """Whether a folder describes a prior, ours or as diffusers publishes them."""
    return (folder / PRIOR_FILE).is_file() or is_diffusers_folder(folder)


def installed_priors(home: Path) -> list[str]:
    """Names of the priors under home/priors."""
    folder = home / "priors"
    if not folder.is_dir():
        return []
    return sorted(entry.name for entry in folder.iterdir() if entry.name[0] != "." and is_prior_folder(entry))


def load_prior(
    name: str, home: Path, device: "torch.device | str" = "cpu", autocast_dtype: "torch.dtype | None" = None
) -> "UNetPrior":
    """Find and load a prior; it is verified against its description.

    Args:
        name: see `locate_prior`.
        home: HEIRLOOM_HOME.
        device: where it shall compute.
        autocast_dtype: what it computes in; None: float32.

    Raises:
        PriorUnavailableError: it is not here.
        PriorError: its description is wrong, or its calibration.
        WeightsRejectedError: its weights are not what they must be.
    """
    # Here, not above: finding a prior needs no torch, and the web side has none.
    from core.priors.diffusers_folder import load_diffusers_folder
    from core.priors.diffusers_unet import load_unet_prior

    folder = locate_prior(name, home)
    ours = (folder / PRIOR_FILE).is_file() or not is_diffusers_folder(folder)
    prior = load_unet_prior(folder) if ours else load_diffusers_folder(folder)
    prior.calibration = read_calibration(folder, prior.spec)
    return prior.to(device, autocast_dtype)

"""From a prior's name to a loaded prior."""

from difflib import get_close_matches
from pathlib import Path

from core.domain.errors import PriorUnavailableError
from core.priors.diffusers_unet import UNetPrior, load_unet_prior
from core.priors.spec import PRIOR_FILE

STARTER_FOLDER = Path(__file__).parent / "starter"


def locate_prior(name: str, home: Path) -> Path:
    """The folder of a prior.

    Args:
        name: `starter`, the name of a pulled or converted prior under home/priors, or a path.
        home: HEIRLOOM_HOME.

    Raises:
        PriorUnavailableError: nothing of that name is here.
    """
    if name == "starter":
        return STARTER_FOLDER
    for folder in (home / "priors" / name, Path(name).expanduser()):
        if folder.is_dir():
            return folder
    here = ["starter", *installed_priors(home)]
    near = get_close_matches(name, here, n=1)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    raise PriorUnavailableError(
        f"The prior {name!r} is not on this machine.",
        f"{hint}`heirloom models list` shows what can be pulled; here are: {', '.join(here)}.",
    )


def installed_priors(home: Path) -> list[str]:
    """Names of the priors under home/priors."""
    folder = home / "priors"
    if not folder.is_dir():
        return []
    return sorted(entry.name for entry in folder.iterdir() if (entry / PRIOR_FILE).is_file())


def load_prior(name: str, home: Path) -> UNetPrior:
    """Find and load a prior; it is verified against its description.

    Args:
        name: see `locate_prior`.
        home: HEIRLOOM_HOME.

    Raises:
        PriorUnavailableError: it is not here.
        PriorError: its description is wrong.
        WeightsRejectedError: its weights are not what they must be.
    """
    return load_unet_prior(locate_prior(name, home))

"""From a catalog name to a prior under HEIRLOOM_HOME: every file fetched and checked, then all of them at once."""

import fcntl
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from core.domain.errors import AlreadyRunningError, PriorError, PriorUnavailableError
from core.imaging.files import output_error
from core.priors.catalog import CATALOG, CatalogEntry, by_hand_advice
from core.priors.download import download
from core.priors.locate import STARTER_FOLDER, is_prior_folder

OnFile = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class Pulled:
    """What `pull_prior` did.

    Attributes:
        folder: the prior's.
        sha256: of each file as it came; empty where nothing had to be fetched.
        unverified: files whose publisher names no hash: their content was checked, their origin was not.
    """

    folder: Path
    sha256: dict[str, str]
    unverified: tuple[str, ...]


def entry_of(name: str) -> CatalogEntry:
    """A catalog entry.

    Raises:
        PriorUnavailableError: no such name.
    """
    if name not in CATALOG:
        raise PriorUnavailableError(
            f"The catalog has no prior {name!r}.",
            f"It has: {', '.join(CATALOG)}. Another file: `heirloom models convert`.",
        )
    return CATALOG[name]


def pull_prior(
    entry: CatalogEntry,
    home: Path,
    on_file: OnFile = lambda _name, _done, _total: None,
    client: httpx.Client | None = None,
) -> Pulled:
    """Fetch a published prior into home/priors/NAME; the folder appears whole or not at all.

    A checkpoint in ADM's format is converted, which needs torch; a folder as diffusers publishes it stays as it is.

    Args:
        entry: from the catalog.
        home: HEIRLOOM_HOME.
        on_file: told (file, bytes there, bytes in all or None).
        client: for proxies and tests.

    Raises:
        PriorUnavailableError: no network, or it cannot be fetched by a program; says how to do it by hand.
        PriorError: a checkpoint whose network is not what the catalog says, or the folder is taken by something else.
        WeightsRejectedError: a file is not the one that was published.
        AlreadyRunningError: another process fetches it at this moment.
        OutputError: it cannot be written.
    """
    folder = home / "priors" / entry.name
    if entry.kind == "packaged":
        return Pulled(STARTER_FOLDER, {}, ())
    if is_prior_folder(folder):
        return Pulled(folder, {}, ())
    if not entry.files:
        raise PriorUnavailableError(
            f"{entry.name} has no address that a program can fetch.", by_hand_advice(entry, folder)
        )
    if folder.exists():  # known before gigabytes are fetched for it
        raise PriorError(f"{folder} exists already and holds no prior.", "Move it away, and pull again.")
    waiting = folder.with_name(f".{entry.name}.pulling")  # hidden: a half-fetched folder is no prior
    with _alone(home / f".{entry.name}.pull.lock"):
        if is_prior_folder(folder):  # another process was at it, and has finished
            return Pulled(folder, {}, ())
        try:
            waiting.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise output_error(error, waiting) from error
        hashes = {
            file.name: download(
                file.url,
                waiting / file.name,
                file.sha256,
                lambda done, total, name=file.name: on_file(name, done, total),  # type: ignore[misc]  # bound per file
                client,
            )
            for file in entry.files
        }
        _settle(entry, waiting, folder)
    return Pulled(folder, hashes, tuple(file.name for file in entry.files if file.sha256 is None))


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep a prior's half-fetched files to this process; the system unlocks what a killed one leaves.

    Raises:
        AlreadyRunningError: another process fetches it.
        OutputError: it cannot be written there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
    except OSError as error:
        raise output_error(error, path) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise AlreadyRunningError(
                "Another process pulls this prior already.", "Wait until it has ended."
            ) from error
        yield


def _settle(entry: CatalogEntry, waiting: Path, folder: Path) -> None:
    if entry.kind == "adm":
        from core.priors.convert import convert_adm  # here: torch, which fetching a diffusers folder does not need
        from core.priors.diffusers_unet import count_parameters

        converted = waiting / "converted"
        shutil.rmtree(converted, ignore_errors=True)
        spec = convert_adm(
            waiting / entry.files[0].name,
            converted,
            name=entry.name,
            resolution=entry.resolution,
            head_channels=entry.head_channels,
            category=entry.category,
            licence=entry.licence,
            source=entry.page,
        )
        if count_parameters(spec) != entry.parameters:
            shutil.rmtree(waiting)
            raise PriorError(
                f"The network of {entry.files[0].name} has {count_parameters(spec):,} parameters, "
                f"not the {entry.parameters:,} of {entry.name}.",
                f"It was deleted: {entry.files[0].url} is another file than it was.",
            )
    else:
        converted = waiting
    try:
        converted.rename(folder)
    except OSError as error:
        raise output_error(error, folder) from error
    shutil.rmtree(waiting, ignore_errors=True)  # what was converted is not needed any more

"""From command-line arguments to a request, a recipe and a prior: shared by `restore`, `tune` and `demo`."""

import hashlib
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from cli.device import Precision, autocast_of
from cli.progress import StageBars
from cli.settings import default_recipe, home, own_recipes
from core.domain.errors import (
    BadInputError,
    CancelledError,
    CheckpointUnreadableError,
    HeirloomError,
    InvalidRequestError,
    OutputError,
)
from core.domain.mode import Mode
from core.imaging.archive import read_album
from core.recipes.presets import default_preset, preset
from core.recipes.schema import Recipe
from core.settings import MEBIBYTE, read_settings

if TYPE_CHECKING:
    import torch

    from core.imaging.decode_pool import DecodePool
    from core.pipeline.plan import StageCall
    from core.pipeline.ports import Ports
    from core.pipeline.request import Photo
    from core.priors.diffusers_unet import UNetPrior

RESUME_STATE_DAYS = 7


def read_photo(path: Path, aligned: bool) -> "Photo":
    """A photo from a file.

    Raises:
        BadInputError: no such file, or it cannot be read.
    """
    from core.pipeline.request import Photo

    try:
        return Photo(path.name, path.read_bytes(), aligned)
    except IsADirectoryError as error:
        raise BadInputError(f"{path} is a folder.", f"Name its photos, e.g. {path}/*.jpg.") from error
    except OSError as error:
        raise BadInputError(f"{path} cannot be read: {error.strerror}.", "Check the name.") from error


def read_photos(album: Path, aligned: bool) -> "tuple[Photo, ...]":
    """An album from a zip or a folder; see `core.imaging.archive.read_album`."""
    from core.pipeline.request import Photo

    return tuple(Photo(entry.name, entry.data, aligned) for entry in read_album(album))


def read_checkpoint(path: Path) -> bytes:
    """A checkpoint's bytes, not looked at yet.

    Raises:
        CheckpointUnreadableError: no such file, or it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise CheckpointUnreadableError(
            f"The checkpoint {path} cannot be read: {error.strerror}.",
            "`heirloom tune ALBUM -o FILE.safetensors` makes one.",
        ) from error


def choose_recipe(name: str | None, mode: Mode, resolution: int) -> Recipe:
    """The preset asked for, or the one that suits mode and prior.

    Raises:
        InvalidRecipeError: no such preset.
        InvalidRequestError: it is of another mode.
    """
    # The environment's default counts only where it is of the mode asked for; a name on the command line always.
    configured, own = default_recipe(), own_recipes()
    if name is None and configured is not None and preset(configured, own).recipe.mode is mode:
        name = configured
    if name is None:
        return default_preset(mode, resolution).recipe
    chosen = preset(name, own).recipe
    if chosen.mode is not mode:
        raise InvalidRequestError(
            f"The recipe {name!r} is {chosen.mode}, but the mode is {mode}.",
            f"Choose a recipe of the mode {mode}, or --mode {chosen.mode}.",
        )
    return chosen


def open_prior(name: str, device: "torch.device", precision: Precision) -> "UNetPrior":
    """Load a prior onto a device; errors as for `load_prior`."""
    from core.priors.locate import load_prior

    return load_prior(name, home()).to(device, autocast_of(precision, device))


def work_folder(calls: "tuple[StageCall, ...]") -> Path:
    """Where a run's artifacts lie until its result is written: the same for the same request."""
    key = hashlib.sha256("".join(h for call in calls for h in call.hashes).encode()).hexdigest()[:24]
    return home() / "work" / key


def decode_pool() -> "DecodePool":
    """Where a command decodes photos, within the settings' limits: a bomb costs one photo, not the run."""
    from core.imaging.decode_pool import DecodePool, process_limits

    settings = read_settings()
    return DecodePool(limits=process_limits(settings.decode_memory_mib * MEBIBYTE, settings.decode_seconds))


@contextmanager
def ports_for(calls: "tuple[StageCall, ...]", quiet: bool) -> "Iterator[Ports]":
    """What one command's run needs of its surroundings: bars, Ctrl-C, and a work folder that no other process uses.

    The folder holds faces. It is deleted when the block ends, unless going on from it can help.

    Raises:
        AlreadyRunningError: the same command is running.
        OutputError: HEIRLOOM_HOME cannot be used.
    """
    from core.pipeline.folder_store import FolderStore, delete_stale
    from core.pipeline.ports import Ports

    delete_stale(home() / "work", RESUME_STATE_DAYS * 86_400)
    with FolderStore(work_folder(calls)).locked() as store:
        try:
            with SignalCancel().installed() as cancel, StageBars(quiet) as bars, decode_pool() as pool:
                yield Ports(bars, cancel, store, pool.working)
        except HeirloomError as error:
            if not (error.retryable or isinstance(error, OutputError)):
                store.delete()
            raise
        store.delete()


class SignalCancel:
    """The pipeline's `Cancel` port: Ctrl-C and SIGTERM stop after the step in hand."""

    def __init__(self) -> None:
        """Nothing has happened yet."""
        self._stop = threading.Event()

    def check(self) -> None:
        """See `core.pipeline.ports.Cancel`."""
        if self._stop.is_set():
            raise CancelledError("Stopped.", "Run the same command again to go on from here.")

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self._stop.is_set():
            raise KeyboardInterrupt  # asked twice: now
        self._stop.set()

    @contextmanager
    def installed(self) -> Iterator["SignalCancel"]:
        """Listen for the two signals inside the block."""
        before = {number: signal.signal(number, self._on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

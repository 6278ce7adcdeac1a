"""The parts of a running service, made once at the start and passed to every request."""

import importlib.metadata
import shutil
import threading
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from api.edge.admission import Lane, Room
from api.edge.rates import Rates
from api.edge.refusals import Refusals
from api.edge.shedding import Shedding
from api.metrics import Metrics
from api.writes import Writes
from core.db.session import Database
from core.domain.errors import DiskFullError, OutputUnwritableError
from core.imaging.decode_pool import DecodePool, process_limits
from core.imaging.faces.open import FinderChoice
from core.imaging.opening import Limits
from core.priors.locate import describe_prior, is_calibrated
from core.services.doorbell import Doorbell
from core.services.estimates import Forecaster
from core.services.offer import Offer, open_offer
from core.services.terms import Terms
from core.services.uploads import UploadLimits
from core.settings import MEBIBYTE, Settings
from core.storage.base import BlobStore
from core.webhooks.guard import AddressGuard


def terms_of(settings: Settings) -> Terms:
    """What the operator decided, as use cases need it."""
    return Terms(
        photo_life=timedelta(days=settings.photo_days),
        checkpoint_life=timedelta(days=settings.checkpoint_days),
        worker_life=settings.lease,
        max_open_jobs=settings.max_open_jobs_per_owner,
        max_queued_jobs=settings.max_queued_jobs,
        max_compute_seconds=settings.max_compute_seconds_per_owner,
    )


@dataclass
class Service:
    """What requests share.

    Attributes:
        settings: the operator's.
        database: opened.
        store: where blobs are.
        doorbell: rung after each job.
        metrics: counted in this process.
    """

    settings: Settings
    database: Database
    store: BlobStore
    doorbell: Doorbell
    metrics: Metrics

    def __post_init__(self) -> None:
        """Derive what never changes.

        `stopping` is set by whoever runs the server before it waits for its last answers: those that would go on for
        minutes end then.
        """
        self.version = importlib.metadata.version("heirloom")
        self.terms = terms_of(self.settings)
        self.keyless = not self.settings.keys_required
        self.limits = UploadLimits(self.settings.max_upload_mib * MEBIBYTE, self.settings.max_album_mib * MEBIBYTE)
        self.finder = FinderChoice(self.settings.face_finder, self.settings.yunet_model)
        self.image_limits = Limits(max_bytes=self.limits.photo_bytes)
        self.forecaster = Forecaster(self.terms.worker_life)
        self.webhook_guard = AddressGuard(self.settings.webhook_networks)
        self.stopping = threading.Event()
        self.writes = Writes()
        self.rates = Rates(self.settings)
        self.reads = Lane(self.settings.max_reads_in_hand)
        self.refusals = Refusals(self.metrics)
        self.shedding = Shedding(self.reads, self.refusals, https=self.settings.https)
        self.waiting = Room(self.settings.max_waiting)
        self._offer: Offer | None = None
        self._decode_pool: DecodePool | None = None
        self._lock = threading.Lock()

    @property
    def offer(self) -> Offer:
        """The prior and the recipes; looked for again as long as they are not there.

        Raises:
            PriorUnavailableError: the prior is not on this machine.
            PriorError: its description is wrong, or its calibration.
            SettingsError: the operator's recipes, or the default one, cannot be.
        """
        with self._lock:  # describing a folder as diffusers publishes them hashes its weights: once is enough
            if self._offer is None:
                settings = self.settings
                prior = describe_prior(settings.prior, settings.home)
                calibrated = is_calibrated(settings.prior, settings.home, prior)
                self._offer = open_offer(
                    prior,
                    settings.recipes_file,
                    settings.default_recipe,
                    calibrated=calibrated,
                    finder=settings.face_finder,
                )
            return self._offer

    @property
    def decode_pool(self) -> DecodePool:
        """Where photos are decoded, and looked at, within limits; made when it is first asked for.

        A call that finds no free process within `decode_seconds` ends in `OverloadedError`.
        """
        with self._lock:
            if self._decode_pool is None:
                limits = process_limits(self.settings.decode_memory_mib * MEBIBYTE, self.settings.decode_seconds)
                self._decode_pool = DecodePool(
                    self.settings.decode_processes, limits, wait_seconds=self.settings.decode_seconds
                )
            return self._decode_pool

    def close(self) -> None:
        """End what the service started; the database and the store are their owners' to close."""
        with self._lock:
            if self._decode_pool is not None:
                self._decode_pool.close()

    def spool_folder(self) -> Path:
        """Where uploads lie while they come in: in the home, because the folder for temporary files may be memory.

        Raises:
            OutputUnwritableError: it cannot be made.
        """
        folder = self.settings.home / "spool"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise OutputUnwritableError(
                f"The folder for uploads under HEIRLOOM_HOME cannot be made: {error.strerror}.",
                "Set HEIRLOOM_HOME to a folder that this user can write.",
            ) from error
        return folder

    def check_disk(self, coming_bytes: int = 0, *, spooled: bool = True) -> None:
        """Keep a reserve on this machine's disk, which holds what is spooled, and perhaps the blobs.

        Args:
            coming_bytes: that are about to be written.
            spooled: whether they lie on this machine on their way into the store.

        Raises:
            DiskFullError: less than the reserve would be left.
        """
        if not spooled and not self.settings.embedded and self.settings.storage_driver == "database":
            return
        wanted = self.settings.min_free_disk_mib * MEBIBYTE
        home = self.settings.home
        if wanted and home.exists() and shutil.disk_usage(home).free < wanted + coming_bytes:
            raise DiskFullError("The server has too little disk space left for uploads.", "Tell its operator.")

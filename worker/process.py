"""A worker, put together: what `python -m worker` and Celery's child both start, drain and end."""

import time
from collections.abc import Mapping
from typing import Self

from core import logs
from core.db import queue, schema
from core.db.session import Database
from core.domain.errors import PriorError, SettingsError
from core.imaging.decode_pool import DecodePool, process_limits
from core.imaging.faces.open import FinderChoice
from core.imaging.opening import Limits
from core.priors.licence import check_licence
from core.priors.locate import describe_prior, installed_priors
from core.services.reaping import Reaper
from core.settings import Settings, process_name
from core.storage.base import BlobStore
from core.storage.open import open_store
from core.webhooks.guard import AddressGuard
from core.webhooks.outbound import Outbound
from worker.drain import Drain
from worker.gpu import Gpu
from worker.heartbeat import Heartbeat
from worker.housekeeping import Housekeeping
from worker.loop import Loop
from worker.patience import AWAY, Patience
from worker.presence import Presence
from worker.runner import Runner
from worker.sender import Sender
from worker.watchdog import Watchdog

_POOL = 5
"""Connections: the loop, the heartbeat, the reaper, the sender and one to spare."""
_PAUSE_SECONDS = 2.0
_log = logs.get_logger(__name__)


class WorkerProcess:
    """Everything of one worker; use it as a context manager around `run`."""

    def __init__(self, settings: Settings, database: Database | None = None, store: BlobStore | None = None) -> None:
        """Open the device and prepare to connect.

        Args:
            settings: of the service.
            database: opened already, or the settings' own.
            store: opened already, or the settings' own.

        Raises:
            SettingsError: a setting is wrong, or the prior needs a word of the operator's.
            PriorError: the settings' prior is not here, or not sound.
            HeirloomError: there is no such device.
        """
        self.settings = settings
        self.priors = priors_here(settings)
        self._database = database or Database(settings.database_address, _POOL)
        blobs = store or open_store(settings.storage_driver, settings.home, self._database, settings.object_storage)
        self.gpu = Gpu(
            settings.device, settings.precision, settings.home, self.priors, settings.device_cache_mib * 2**20
        )
        self.presence = Presence(self._database, process_name(), self.gpu.measured, settings.station)
        self.drain = Drain(settings.drain_seconds)
        self.watchdog = Watchdog(settings.stall_seconds)
        self.heartbeat = Heartbeat(self._database, self.presence, settings.lease, settings.heartbeat_seconds)
        patience = Patience(self._database, settings.lease_seconds, self.drain, self.watchdog)
        limits = process_limits(settings.decode_memory_mib * 2**20, settings.decode_seconds)
        self.decode_pool = DecodePool(limits=limits)  # one photo at a time: the loop has one thread
        self.runner = Runner(
            self.gpu,
            blobs,
            patience,
            self.heartbeat,
            self.drain,
            self.watchdog,
            settings.photo_days,
            settings.checkpoint_days,
            FinderChoice(settings.face_finder, settings.yunet_model),
            self.decode_pool.working,
            Limits(max_bytes=settings.max_upload_mib * 2**20),
        )
        claim = queue.Claim(self.presence.id, settings.lease, list(self.priors))
        self.loop = Loop(self._database, claim, self.runner.run, self.drain, settings.poll_seconds)
        self.reaper = Reaper(self._database, settings.lease, settings.reap_seconds, Housekeeping(self._database, blobs))
        self.sender = Sender(self._database, Outbound(AddressGuard(settings.webhook_networks)))

    def __enter__(self) -> Self:
        """Register, and start the threads.

        Raises:
            SettingsError: the database is not at this version's schema.
        """
        self._register()
        self.heartbeat.start()
        self.watchdog.start()
        self.reaper.start()
        self.sender.start()
        _log.info("worker_started", worker_id=self.presence.id, device=self.gpu.name, precision=self.gpu.precision)
        return self

    def __exit__(self, *_: object) -> None:
        """End the threads, and say goodbye."""
        for thread in (self.sender, self.reaper, self.watchdog, self.heartbeat):
            thread.stop()
        try:
            self.presence.gone()
        except AWAY as error:
            _log.warning("goodbye_not_written", error=error)
        self.decode_pool.close()
        self._database.close()
        _log.info("worker_stopped", worker_id=self.presence.id)

    def _register(self) -> None:
        """Wait for the database where it is away: to start again would help nobody."""
        while not self.drain.requested:
            try:
                self._check_schema()
                self.presence.register(self.gpu.name, self.gpu.precision, list(self.priors))
            except AWAY as error:
                _log.warning("waiting_for_database", error=error)
                time.sleep(min(_PAUSE_SECONDS, self.settings.heartbeat_seconds))
            else:
                return

    def _check_schema(self) -> None:
        with self._database.read() as session:
            lacking = schema.missing(session)
        if lacking:
            raise SettingsError(
                f"The database lacks what this worker needs: {lacking[0]}.",
                "Run `heirloom db upgrade` of this version, once, before its workers start.",
            )

    def run(self) -> None:
        """Take jobs until `stop` is called."""
        with logs.bound(worker_id=self.presence.id):
            self.loop.run_until_drained()

    def stop(self) -> None:
        """Ask for the end: after the step in hand. Safe in a signal's handler."""
        self.presence.drains()
        self.drain.request()
        self.loop.ring()


def priors_here(settings: Settings) -> Mapping[str, str]:
    """Hash → name of the priors that a worker can load: the settings' own, and those it finds beside it.

    Raises:
        SettingsError: the settings' own needs a word of the operator's.
        PriorError: the settings' own is not here, or not sound.
    """
    own = describe_prior(settings.prior, settings.home)
    check_licence(own, embedded=settings.embedded, accepted=settings.accept_research_prior)
    found = {own.sha256: settings.prior}
    for name in ("starter", *installed_priors(settings.home)):
        try:
            found.setdefault(describe_prior(name, settings.home).sha256, name)
        except PriorError as error:  # somebody else's, half pulled: it does not stop this worker
            _log.warning("prior_left_out", prior=name, error=error)
    return found

"""The API as an ASGI application. Settings are read here and nowhere below."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from api import errors, openapi
from api.doorbell import CeleryDoorbell
from api.edge.gate import Gate
from api.metrics import Metrics
from api.middleware import HostGuard, Surroundings
from api.routers import (
    albums,
    batches,
    checkpoints,
    faces,
    files,
    jobs,
    probes,
    restorations,
    subjects,
    system,
    webhooks,
)
from api.service import Service
from core.db.session import Database
from core.priors.licence import check_licence
from core.services.doorbell import Doorbell, SilentDoorbell
from core.services.reaping import Reaper
from core.settings import Settings, read_settings
from core.storage.base import BlobStore
from core.storage.open import open_store

ROUTERS = (jobs, files, restorations, batches, faces, subjects, albums, checkpoints, webhooks, system, probes)
"""In this order a path is compared with theirs: what is asked for most comes first."""


def create_app(
    settings: Settings,
    database: Database | None = None,
    store: BlobStore | None = None,
    doorbell: Doorbell | None = None,
) -> FastAPI:
    """Build the application.

    Args:
        settings: the operator's.
        database: migrated; None: what the settings name. One that is given stays open at the end.
        store: where blobs lie; None: what the settings name.
        doorbell: wakes workers; None: what the settings name.
    """
    opened = database or Database(settings.database_address)
    broker = settings.broker_address
    service = Service(
        settings=settings,
        database=opened,
        store=store or open_store(settings.storage_driver, settings.home, opened, settings.object_storage),
        doorbell=doorbell or (CeleryDoorbell(broker) if broker else SilentDoorbell()),
        metrics=Metrics(opened, settings.lease),
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        reaper = Reaper(opened, settings.lease, settings.reap_seconds)
        reaper.start()
        yield
        reaper.stop()
        service.close()
        if database is None:
            opened.close()

    app = FastAPI(
        title="Heirloom",
        version=service.version,
        lifespan=lifespan,
        redirect_slashes=False,
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.state.service = service
    app.openapi = lambda: openapi.describe(app)  # type: ignore[method-assign]  # FastAPI's own way to replace it
    errors.install(app)
    for module in ROUTERS:
        app.include_router(module.router)
    app.add_middleware(
        HostGuard, allowed_hosts=settings.allowed_hosts, listens_on=settings.host, keyless=not settings.keys_required
    )
    app.add_middleware(Surroundings, metrics=service.metrics, https=settings.https)
    app.add_middleware(Gate, settings=settings, rates=service.rates, reads=service.reads, refusals=service.refusals)
    return app


def from_environment() -> FastAPI:
    """For `uvicorn --factory api.app:from_environment`.

    Raises:
        SettingsError: a setting is wrong, the recipes or the face finder's file are, or the prior needs a word of the
            operator's.
        PriorError: the prior is not here, or not sound.
        OutputUnwritableError: the home cannot be written.
    """
    settings = read_settings()
    app = create_app(settings)
    app.state.service.spool_folder()
    app.state.service.finder.check()
    prior = app.state.service.offer.prior  # opened now: what is wrong with it is not the first caller's fault
    check_licence(prior, embedded=settings.embedded, accepted=settings.accept_research_prior)
    return app

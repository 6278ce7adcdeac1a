"""The service itself."""

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import Field

from api.schemas.members import Answered, Instant
from core.db.stations import SET_ASIDE, state_of
from core.db.tables import Worker
from core.domain.mode import Mode
from core.imaging.faces.open import FinderChoice
from core.priors.spec import PriorSpec
from core.recipes.cost import cost_of
from core.recipes.presets import Preset
from core.services.overview import Overview
from core.settings import MEBIBYTE, Settings

_LOOK = (
    "Processes of the station {} died with one job after another, so it is likely not the jobs: look at its log, its "
    "device and its memory. It tries again by itself; under another HEIRLOOM_WORKER_STATION it does so at once."
)


class Alive(Answered):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Ready(Answered):
    """Nothing is missing."""

    status: Literal["ready"] = "ready"


class QueueOut(Answered):
    """Everybody's jobs."""

    queued: int
    running: int


class WorkerOut(Answered):
    """A process that takes jobs."""

    name: str
    device: str
    precision: str
    state: str = Field(description="idle, busy, draining, set_aside.")
    jobs: int = Field(description="In its hands.")
    started_at: Instant
    last_seen_at: Instant
    set_aside_until: Instant | None = Field(
        description="It takes no job before: at its station processes died with one job after another."
    )
    advice: str = Field(description="What its operator can do; empty where nothing is wrong.")

    @classmethod
    def of(cls, worker: Worker, now: datetime) -> Self:
        """A row as it is shown."""
        state = state_of(worker, now)
        aside = state == SET_ASIDE
        return cls(
            name=worker.name,
            device=worker.device,
            precision=worker.precision,
            state=state,
            jobs=len(worker.job_ids),
            started_at=worker.started_at,
            last_seen_at=worker.last_seen_at,
            set_aside_until=worker.set_aside_until if aside else None,
            advice=_LOOK.format(worker.station) if aside else "",
        )


class LimitsOut(Answered):
    """What is taken."""

    max_upload_bytes: int
    max_album_bytes: int
    max_wait_seconds: int
    max_open_jobs: int
    max_compute_seconds: int = Field(description="Of workers' time for you on one day (UTC); 0: no limit.")


class UsageOut(Answered):
    """How much of the limits is yours already."""

    open_jobs: int
    compute_seconds_today: float


class FaceFinderOut(Answered):
    """What finds faces, and what its licence allows."""

    name: Literal["dlib", "yunet"]
    licence: str = Field(description="Of its code and its weights.")
    commercial_use: bool

    @classmethod
    def of(cls, finder: FinderChoice) -> Self:
        """The operator's choice as it is shown."""
        return cls(name=finder.name, licence=finder.licence.licence, commercial_use=finder.licence.commercial_use)


class SystemOut(Answered):
    """The service as a whole."""

    version: str
    mode: Literal["embedded", "server"]
    prior: str
    face_finder: FaceFinderOut
    queue: QueueOut
    workers: list[WorkerOut]
    limits: LimitsOut
    usage: UsageOut

    @classmethod
    def of(cls, version: str, settings: Settings, overview: Overview) -> Self:
        """What was found as it is shown."""
        return cls(
            version=version,
            mode="embedded" if settings.embedded else "server",
            prior=settings.prior,
            face_finder=FaceFinderOut.of(FinderChoice(settings.face_finder, settings.yunet_model)),
            queue=QueueOut(queued=overview.queued, running=overview.running),
            workers=[WorkerOut.of(worker, overview.now) for worker in overview.workers],
            limits=LimitsOut(
                max_upload_bytes=settings.max_upload_mib * MEBIBYTE,
                max_album_bytes=settings.max_album_mib * MEBIBYTE,
                max_wait_seconds=settings.max_wait_seconds,
                max_open_jobs=settings.max_open_jobs_per_owner,
                max_compute_seconds=settings.max_compute_seconds_per_owner,
            ),
            usage=UsageOut(
                open_jobs=overview.own_open_jobs, compute_seconds_today=round(overview.own_compute_seconds, 1)
            ),
        )


class PriorOut(Answered):
    """A pretrained model, and what its licence allows."""

    name: str
    active: bool = Field(description="What jobs are made with.")
    installed: bool
    category: str
    resolution: int
    noise_steps: int | None = Field(description="T; known of installed ones.")
    licence: str = Field(description="Of the weights; the code's is Apache-2.0.")
    commercial_use: bool
    sha256: str | None = Field(description="Of the weights; null where nobody named it.")
    size_bytes: int | None
    source: str

    @classmethod
    def of(cls, spec: PriorSpec, *, active: bool, size_bytes: int | None, name: str | None = None) -> Self:
        """An installed prior as it is shown."""
        return cls(
            name=name or spec.name,
            active=active,
            installed=True,
            category=spec.category,
            resolution=spec.resolution,
            noise_steps=spec.noise_steps,
            licence=spec.licence,
            commercial_use=spec.commercial_use,
            sha256=spec.sha256,
            size_bytes=size_bytes,
            source=spec.source,
        )


class PriorList(Answered):
    """Priors: first the active one, then those on this machine, then what could be pulled."""

    data: list[PriorOut]


class CostOut(Answered):
    """Network forwards for one photo and one candidate."""

    album: int
    finetune: int
    restore: int
    total: int


class RecipeOut(Answered):
    """A way to restore, by name."""

    name: str
    mode: Mode
    default: bool = Field(description="Taken where nobody names a recipe of this mode.")
    buys: str
    source: str
    cost: CostOut
    recipe: dict[str, Any]

    @classmethod
    def of(cls, preset: Preset, *, default: bool) -> Self:
        """A preset as it is shown."""
        recipe = preset.recipe
        cost = cost_of(recipe)
        return cls(
            name=recipe.name,
            mode=recipe.mode,
            default=default,
            buys=preset.buys,
            source=preset.source,
            cost=CostOut(album=cost.album, finetune=cost.finetune, restore=cost.restore, total=cost.total),
            recipe=recipe.model_dump(mode="json"),
        )


class RecipeList(Answered):
    """Every recipe that may be named."""

    data: list[RecipeOut]

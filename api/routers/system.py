"""What this service is: its queue and workers, its priors with their licences, its recipes."""

import importlib.metadata
from functools import lru_cache
from typing import Literal

from fastapi import APIRouter
from fastapi.responses import Response

from api.deps import CallDep
from api.documented import problems
from api.priors import known_priors
from api.routing import GuardedRoute
from api.schemas.system import LimitsOut, PriorList, RecipeList, RecipeOut, SystemOut
from core.services.overview import overview

router = APIRouter(prefix="/v1", tags=["system"], route_class=GuardedRoute)


@router.get("/system", response_model=SystemOut, responses=problems())
def system(call: CallDep) -> Response:
    """The queue, the workers, the limits."""
    service = call.service
    mode: Literal["embedded", "server"] = "embedded" if service.settings.embedded else "server"
    limits = LimitsOut(
        max_upload_bytes=service.limits.photo_bytes,
        max_album_bytes=service.limits.archive_bytes,
        max_wait_seconds=service.settings.max_wait_seconds,
        max_open_jobs=service.terms.max_open_jobs,
    )
    with call.read() as session:
        found = overview(session, service.terms)
        return call.answer(session, SystemOut.of(_version(), mode, service.settings.prior, found, limits))


@lru_cache(maxsize=1)
def _version() -> str:
    return importlib.metadata.version("heirloom")


@router.get("/priors", response_model=PriorList, responses=problems())
def priors(call: CallDep) -> Response:
    """The pretrained models: which is used, which are here, which could be pulled; what their licences allow."""
    return Response(known_priors(call.service).model_dump_json(), media_type="application/json")


@router.get("/recipes", response_model=RecipeList, responses=problems())
def recipes(call: CallDep) -> Response:
    """The recipes that restorations and checkpoints may name."""
    offer = call.offer
    data = [
        RecipeOut.of(preset, default=offer.default(preset.recipe.mode) == preset.recipe)
        for preset in offer.presets().values()
    ]
    return Response(RecipeList(data=data).model_dump_json(), media_type="application/json")

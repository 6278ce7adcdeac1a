"""What this service is: its queue and workers, its priors with their licences, its recipes."""

from fastapi import APIRouter
from fastapi.responses import Response

from api.deps import CallDep
from api.documented import problems
from api.priors import known_priors
from api.routing import GuardedRoute
from api.schemas.system import PriorList, RecipeList, RecipeOut, SystemOut
from core.services.overview import overview

router = APIRouter(prefix="/v1", tags=["system"], route_class=GuardedRoute)


@router.get("/system", response_model=SystemOut, responses=problems())
def system(call: CallDep) -> Response:
    """The queue, the workers, the limits."""
    with call.read() as session:
        found = overview(session, call.owner_id, call.service.terms)
        return call.answer(session, SystemOut.of(call.service.version, call.service.settings, found))


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

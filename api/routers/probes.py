"""For those who watch: is it alive, is it ready, what does it count."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.deps import CallDep
from api.documented import Responses, problems
from api.errors import problem_response
from api.guard import Guard, guarded
from api.metrics import CONTENT_TYPE
from api.readiness import missing
from api.routing import GuardedRoute
from api.schemas.problem import Problem
from api.schemas.system import Alive, Ready

router = APIRouter(tags=["probes"], route_class=GuardedRoute)
_UNREADY = {
    "model": Problem,
    "description": "Something is missing: `errors` names it",
    "content": {"application/problem+json": {}},
}
_METRICS: Responses = {
    200: {"description": "In Prometheus' text format", "content": {CONTENT_TYPE: {"schema": {"type": "string"}}}}
}


@router.get("/livez", response_model=Alive)
@guarded(Guard(public=True))
async def livez() -> Response:
    """The process answers; nothing else is asked, neither the database nor a free thread."""
    return Response(Alive().model_dump_json(), media_type="application/json")


@router.get("/readyz", response_model=Ready, responses={503: _UNREADY})
@guarded(Guard(public=True))
def readyz(request: Request) -> Response:
    """Whether requests can be served and jobs can run; if not, what is missing."""
    causes = missing(request.app.state.service)
    if not causes:
        return Response(Ready().model_dump_json(), media_type="application/json")
    detail = f"Missing: {', '.join(cause.pointer.removeprefix('/') for cause in causes)}."
    return problem_response(request, 503, "not_ready", detail, retryable=True, causes=causes)


@router.get("/metrics", response_class=Response, responses=_METRICS | problems())
def metrics(call: CallDep) -> Response:
    """What Prometheus reads; it takes a bearer key where keys are needed."""
    return Response(call.service.metrics.rendered(), headers={"Content-Type": CONTENT_TYPE})

"""Checkpoints: what tuning on an album makes."""

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from api.deps import CallDep, Id
from api.documented import IDENTIFIED, IF_NONE_MATCH, JSON_BODY, PREFER, QUEUED, accepted, bytes_of, problems
from api.downloads import OCTETS, download
from api.guard import Guard, guarded
from api.pages import Page
from api.routing import GuardedRoute
from api.schemas.checkpoint import CheckpointChange, CheckpointIn, CheckpointOut, CheckpointPage
from api.schemas.job import JobOut
from core.services import checkpoints
from core.services.offer import Dials

router = APIRouter(prefix="/v1/subjects/{subject_id}/checkpoints", tags=["checkpoints"], route_class=GuardedRoute)


@router.post(
    "",
    status_code=202,
    responses=accepted(JobOut, CheckpointOut) | problems(*JSON_BODY, *QUEUED),
    openapi_extra=PREFER,
)
@guarded(Guard(queues=True))
def create(subject_id: Id, body: CheckpointIn, call: CallDep) -> Response:
    """Tune another checkpoint from the album; 200 where the same album, recipe, prior and seed gave one before."""
    with call.write() as session:
        asked = (subject_id, call.offer, Dials(recipe=body.recipe), body.seed)
        tuning = checkpoints.request(session, call.owner_id, *asked)
        checkpoint_id = tuning.checkpoint.id
        if tuning.job is None or not checkpoints.is_being_made(tuning.checkpoint, tuning.job):
            return call.answer(session, _shown(call, session, subject_id, checkpoint_id))
        shown = JobOut.of(call.view(session, tuning.job))
        result = lambda again: _shown(call, again, subject_id, checkpoint_id)  # noqa: E731  # used once, here
        return call.accepted(session, tuning.job, shown, result, new=tuning.new)


def _shown(call: CallDep, session: Session, subject_id: str, checkpoint_id: str) -> CheckpointOut:
    return CheckpointOut.of(*checkpoints.get(session, call.owner_id, subject_id, checkpoint_id))


@router.get("", response_model=CheckpointPage, responses=problems(*IDENTIFIED))
def listed(subject_id: Id, page: Page, call: CallDep) -> Response:
    """A subject's checkpoints, newest first."""
    with call.read() as session:
        asked = (subject_id, page.one_more, page.before_id)
        subject, rows = checkpoints.listed(session, call.owner_id, *asked)
        entry = lambda row: CheckpointOut.of(subject, row)  # noqa: E731  # used once, here
        body, headers = page.of(rows, lambda row: row.id, CheckpointPage, entry)
        return call.answer(session, body, headers=headers)


@router.get("/{checkpoint_id}", response_model=CheckpointOut, responses=problems(*IDENTIFIED))
def one(subject_id: Id, checkpoint_id: Id, call: CallDep) -> Response:
    """A checkpoint."""
    with call.read() as session:
        return call.answer(session, _shown(call, session, subject_id, checkpoint_id))


@router.patch("/{checkpoint_id}", response_model=CheckpointOut, responses=problems(*IDENTIFIED, *JSON_BODY, 409))
def change(subject_id: Id, checkpoint_id: Id, body: CheckpointChange, call: CallDep) -> Response:
    """Make it the subject's default, or keep it from expiring."""
    with call.write() as session:
        asked = (subject_id, checkpoint_id, call.service.terms, body.default, body.pinned)
        return call.answer(session, CheckpointOut.of(*checkpoints.change(session, call.owner_id, *asked)))


@router.delete("/{checkpoint_id}", status_code=204, responses=problems(*IDENTIFIED, 409))
def delete(subject_id: Id, checkpoint_id: Id, call: CallDep) -> Response:
    """Forget a checkpoint; what it restored stays."""
    with call.write() as session:
        checkpoints.delete(session, call.owner_id, subject_id, checkpoint_id)
    return Response(status_code=204)


@router.get(
    "/{checkpoint_id}/content",
    response_class=Response,
    responses=bytes_of(OCTETS) | problems(*IDENTIFIED, 409),
    openapi_extra=IF_NONE_MATCH,
)
def content(subject_id: Id, checkpoint_id: Id, request: Request, call: CallDep) -> Response:
    """The weights: safetensors."""
    with call.read() as session:
        ref = checkpoints.content(session, call.owner_id, subject_id, checkpoint_id)
    return download(request, call, ref, OCTETS, f"{checkpoint_id}.safetensors")

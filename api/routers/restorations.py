"""Restorations: one photo each."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from api.deps import CallDep, Id
from api.documented import (
    FORM_BODY,
    IDENTIFIED,
    IF_NONE_MATCH,
    JSON_BODY,
    POSTED,
    PREFER,
    QUEUED,
    accepted,
    bytes_of,
    form_or_json,
    problems,
)
from api.downloads import download
from api.guard import Guard, guarded
from api.pages import Page
from api.restoration_intake import SentRestoration, sent_restoration
from api.routing import GuardedRoute
from api.schemas.job import JobOut
from api.schemas.members import SubjectId
from api.schemas.restoration import CandidateName, RestorationForm, RestorationIn, SelectionIn
from api.schemas.restored import RestorationOut, RestorationPage
from core.imaging.signature import PHOTO_SUFFIXES
from core.services import faces, restorations

router = APIRouter(prefix="/v1/restorations", tags=["restorations"], route_class=GuardedRoute)
Face = Annotated[int, Query(ge=0, lt=1000, description="Its number.")]


@router.post(
    "",
    status_code=202,
    responses=accepted(JobOut, RestorationOut) | problems(*FORM_BODY, *QUEUED),
    openapi_extra=form_or_json(RestorationForm, RestorationIn) | PREFER,
)
@guarded(Guard(body="photo", queues=True, stores=True))
def create(call: CallDep, sent: Annotated[SentRestoration, Depends(sent_restoration)]) -> Response:
    """Restore a photo: one that was uploaded before (JSON), or one that comes along (form)."""
    sent.settle(call)
    with call.write() as session:
        asked = (sent.file(session, call), sent.wanted, call.offer, call.service.terms)
        restoration, job = restorations.create(session, call.owner_id, *asked)
        shown = JobOut.of(call.view(session, job))
        return call.accepted(session, job, shown, lambda again: _shown(call, again, restoration.id))


def _shown(call: CallDep, session: Session, restoration_id: str) -> RestorationOut:
    return RestorationOut.of(restorations.get(session, call.owner_id, restoration_id))


@router.get("", response_model=RestorationPage, responses=problems())
def listed(page: Page, call: CallDep, subject: SubjectId | None = None) -> Response:
    """Your restorations, newest first."""
    with call.read() as session:
        rows = restorations.listed(session, call.owner_id, page.one_more, page.before_id, subject)
        body, headers = page.of(rows, lambda row: row.restoration.id, RestorationPage, RestorationOut.of)
        return call.answer(session, body, headers=headers)


@router.get("/{restoration_id}", response_model=RestorationOut, responses=problems(*IDENTIFIED))
def one(restoration_id: Id, call: CallDep) -> Response:
    """A restoration with its faces, their candidates and scores."""
    with call.read() as session:
        return call.answer(session, _shown(call, session, restoration_id))


@router.get(
    "/{restoration_id}/image",
    response_class=Response,
    responses=bytes_of(*PHOTO_SUFFIXES) | problems(*IDENTIFIED, 409),
    openapi_extra=IF_NONE_MATCH,
)
def image(
    restoration_id: Id, request: Request, call: CallDep, candidate: CandidateName | None = None, face: Face = 0
) -> Response:
    """The selected result, or another candidate, or `original`: the face as it was."""
    choice = int(candidate) if candidate is not None and candidate.isdigit() else candidate
    with call.read() as session:
        picture = faces.picture(session, call.owner_id, restoration_id, face, choice)
    name = f"{restoration_id}.{PHOTO_SUFFIXES[picture.media_type]}"
    return download(request, call, picture.ref, picture.media_type, name)


@router.post(
    "/{restoration_id}/faces/{face}/selection",
    response_model=RestorationOut,
    responses=problems(*IDENTIFIED, *JSON_BODY, *POSTED),
)
def select(restoration_id: Id, face: int, body: SelectionIn, call: CallDep) -> Response:
    """Let another candidate, or the face as it was, stand for a face."""
    with call.write() as session:
        chosen = faces.select(session, call.owner_id, restoration_id, face, body.choice())
        return call.answer(session, RestorationOut.of(chosen))


@router.delete("/{restoration_id}", status_code=204, responses=problems(*IDENTIFIED))
def delete(restoration_id: Id, call: CallDep) -> Response:
    """Forget a restoration and its results; its job is stopped."""
    with call.write() as session:
        restorations.delete(session, call.owner_id, restoration_id)
    return Response(status_code=204)

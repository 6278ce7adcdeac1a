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
from api.schemas.picture import SUFFIXES, PictureQuery
from api.schemas.restoration import RestorationForm, RestorationIn, SelectionIn
from api.schemas.restored import RestorationOut, RestorationPage
from api.selecting import selected
from core.services import restorations

router = APIRouter(prefix="/v1/restorations", tags=["restorations"], route_class=GuardedRoute)


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
    responses=bytes_of(*SUFFIXES) | problems(*IDENTIFIED, 409),
    openapi_extra=IF_NONE_MATCH,
)
def image(restoration_id: Id, request: Request, call: CallDep, which: Annotated[PictureQuery, Query()]) -> Response:
    """The whole photo with the selected faces in it; or one face, as it became, might have become, or was."""
    with call.read() as session:
        picture = which.picture(session, call.owner_id, restoration_id)
    name = f"{restoration_id}{which.suffix}.{SUFFIXES[picture.media_type]}"
    return download(request, call, picture.ref, picture.media_type, name)


@router.post(
    "/{restoration_id}/faces/{face}/selection",
    response_model=RestorationOut,
    responses=problems(*IDENTIFIED, *JSON_BODY, *POSTED, 507),
)
@guarded(Guard(stores=True))
def select(restoration_id: Id, face: int, body: SelectionIn, call: CallDep) -> Response:
    """Let another candidate, or the face as it was, stand for a face: the photo is put together anew at once."""
    return selected(call, restoration_id, face, body.choice())


@router.delete("/{restoration_id}", status_code=204, responses=problems(*IDENTIFIED))
def delete(restoration_id: Id, call: CallDep) -> Response:
    """Forget a restoration and its results; its job is stopped."""
    with call.write() as session:
        restorations.delete(session, call.owner_id, restoration_id)
    return Response(status_code=204)

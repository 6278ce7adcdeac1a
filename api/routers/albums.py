"""Albums: photos sent, looked at, tuned on; the report says photo by photo what became of it."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from api.album_intake import SentAlbum, sent_album
from api.deps import CallDep, Id
from api.documented import (
    FORM_BODY,
    IDENTIFIED,
    IF_NONE_MATCH,
    JSON_BODY,
    PREFER,
    QUEUED,
    accepted,
    bytes_of,
    form_or_json,
    picture,
    problems,
)
from api.downloads import OCTETS, download, small_picture
from api.guard import Guard, guarded
from api.routing import GuardedRoute
from api.schemas.album import AlbumForm, AlbumIn, AlbumOut, AlbumPhotoChange, AlbumPhotoOut
from api.schemas.job import JobOut
from core.imaging.signature import PHOTO_SUFFIXES
from core.services import albums, jobs

router = APIRouter(prefix="/v1/subjects/{subject_id}/album", tags=["albums"], route_class=GuardedRoute)


@router.post(
    "",
    status_code=202,
    responses=accepted(JobOut, JobOut) | problems(*FORM_BODY, *QUEUED),
    openapi_extra=form_or_json(AlbumForm, AlbumIn, several=True) | PREFER,
)
@guarded(Guard(body="album", queues=True, stores=True, spools=True))
def add(subject_id: Id, call: CallDep, sent: Annotated[SentAlbum, Depends(sent_album)]) -> Response:
    """Send photos, one zip or several, and have a checkpoint tuned on the album; a photo that is there stays one."""
    asked = (call.owner_id, subject_id, sent.spool.photos(), call.offer, sent.order)
    with call.read() as session:
        missing = albums.missing(session, *asked)
    call.service.check_disk(sum(ref.size_bytes for ref in missing), spooled=False)
    sent.spool.store(call.service.store, missing)
    sent.spool.close()  # now: what the request brought is otherwise kept until it is answered, which `Prefer` may delay
    with call.write() as session:
        job, new = albums.add(session, *asked)
        shown = JobOut.of(call.view(session, job))
        return call.accepted(session, job, shown, lambda again: _job(call, again, job.id), new=new)


def _job(call: CallDep, session: Session, job_id: str) -> JobOut:
    return JobOut.of(call.view(session, jobs.get(session, call.owner_id, job_id)))


@router.get("", response_model=AlbumOut, responses=problems(*IDENTIFIED))
def report(subject_id: Id, call: CallDep) -> Response:
    """The album, photo by photo: kept or left out, and why."""
    with call.read() as session:
        return call.answer(session, AlbumOut.of(*albums.report(session, call.owner_id, subject_id)))


@router.patch("/{photo_id}", response_model=AlbumPhotoOut, responses=problems(*IDENTIFIED, *JSON_BODY))
def include(subject_id: Id, photo_id: Id, body: AlbumPhotoChange, call: CallDep) -> Response:
    """Leave a photo out of the next tunings, take it in again, or insist on one that curation left out."""
    with call.write() as session:
        photo = albums.include(session, call.owner_id, subject_id, photo_id, body.include)
        return call.answer(session, AlbumPhotoOut.of(photo))


@router.get(
    "/{photo_id}/image",
    response_class=Response,
    responses=bytes_of(*PHOTO_SUFFIXES, OCTETS) | problems(*IDENTIFIED),
    openapi_extra=IF_NONE_MATCH,
)
def image(subject_id: Id, photo_id: Id, request: Request, call: CallDep) -> Response:
    """The photo itself, as it was sent."""
    with call.read() as session:
        photo = albums.photo(session, call.owner_id, subject_id, photo_id)
    return download(request, call, albums.photo_ref(photo), None, photo.label)


@router.get(
    "/{photo_id}/thumbnail",
    response_class=Response,
    responses=picture("image/jpeg") | problems(*IDENTIFIED),
)
def thumbnail(subject_id: Id, photo_id: Id, call: CallDep) -> Response:
    """The person's face in the photo, small; the whole photo where that is not in it."""
    with call.read() as session:
        content = albums.thumbnail(session, call.owner_id, subject_id, photo_id)
    return small_picture(content, "image/jpeg")

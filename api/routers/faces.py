"""Faces, before anything is restored."""

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from api.deps import CallDep
from api.documented import FORM_BODY, IDENTIFIED, POSTED, form_or_json, problems
from api.faces_intake import SentPhoto, sent_photo
from api.guard import Guard, guarded
from api.routing import GuardedRoute
from api.schemas.face import DetectedFacesOut, DetectForm, DetectIn

router = APIRouter(prefix="/v1/faces", tags=["faces"], route_class=GuardedRoute)


@router.post(
    "/detect",
    response_model=DetectedFacesOut,
    responses=problems(*IDENTIFIED, *FORM_BODY, *POSTED),
    openapi_extra=form_or_json(DetectForm, DetectIn),
)
@guarded(Guard(body="photo", stores=True, spools=True, keeps=False))
def detect(call: CallDep, sent: Annotated[SentPhoto, Depends(sent_photo)]) -> Response:
    """Find the faces of a photo, and say what could be done with each. Nothing is kept."""
    found = DetectedFacesOut.of(sent.faces(call))
    return Response(found.model_dump_json(), media_type="application/json")

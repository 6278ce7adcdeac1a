"""Files: sent whole or as a stream, fetched, forgotten."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from api.deps import CallDep, Id
from api.documented import FORM_BODY, IDENTIFIED, IF_NONE_MATCH, POSTED, bytes_of, form_or_json, made, problems
from api.downloads import download
from api.guard import Guard, guarded
from api.intake import OneFile, one_file, read_fields, read_raw
from api.routing import GuardedRoute
from api.schemas.file import FileForm, FileOut
from core.imaging.signature import PHOTO_SUFFIXES, ZIP
from core.services import uploads

router = APIRouter(prefix="/v1/files", tags=["files"], route_class=GuardedRoute)
_RAW = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


async def _sent(request: Request, call: CallDep) -> AsyncIterator[OneFile]:
    async with one_file(call, uploads.ANYTHING) as file:
        await read_fields(request, call, file, FileForm)
        yield file


async def _streamed(
    request: Request, call: CallDep, name: Annotated[str, Query(max_length=255)] = "photo"
) -> AsyncIterator[OneFile]:
    async with one_file(call, uploads.ANYTHING) as file:
        await read_raw(request, file, name)
        yield file


@router.post(
    "",
    status_code=201,
    responses=made(FileOut, "Stored") | problems(*FORM_BODY, *POSTED),
    openapi_extra=form_or_json(FileForm),
)
@guarded(Guard(body="upload", stores=True))
def upload(call: CallDep, file: Annotated[OneFile, Depends(_sent)]) -> Response:
    """Upload a photo (JPEG, PNG, WebP, TIFF; HEIC where it is installed), or a zip of photos, as a form."""
    return _stored(call, file)


@router.put(
    "",
    status_code=201,
    responses=made(FileOut, "Stored") | problems(*FORM_BODY),
    openapi_extra=_RAW,
)
@guarded(Guard(body="upload", stores=True))
def stream(call: CallDep, file: Annotated[OneFile, Depends(_streamed)]) -> Response:
    """Upload a file as the whole body: for large ones. Its kind is read from its first bytes."""
    return _stored(call, file)


def _stored(call: CallDep, file: OneFile) -> Response:
    received = file.finish()
    with call.write() as session:
        row = uploads.register(session, call.owner_id, received, file.label, call.service.terms)
        return call.answer(session, FileOut.of(row), 201, {"Location": f"/v1/files/{row.id}"})


@router.get("/{file_id}", response_model=FileOut, responses=problems(*IDENTIFIED))
def one(file_id: Id, call: CallDep) -> Response:
    """What is known of a file."""
    with call.read() as session:
        return call.answer(session, FileOut.of(uploads.get(session, call.owner_id, file_id)))


@router.get(
    "/{file_id}/content",
    response_class=Response,
    responses=bytes_of(*PHOTO_SUFFIXES, ZIP) | problems(*IDENTIFIED),
    openapi_extra=IF_NONE_MATCH,
)
def content(file_id: Id, request: Request, call: CallDep) -> Response:
    """The file itself."""
    with call.read() as session:
        file = uploads.get(session, call.owner_id, file_id)
    return download(request, call, uploads.ref_of(file), file.media_type, file.name)


@router.delete("/{file_id}", status_code=204, responses=problems(*IDENTIFIED, 409))
def delete(file_id: Id, call: CallDep) -> Response:
    """Forget a file; albums and results that were made with it stay."""
    with call.write() as session:
        uploads.delete(session, call.owner_id, file_id)
    return Response(status_code=204)

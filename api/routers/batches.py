"""Batches: many photos restored alike."""

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import Response, StreamingResponse

from api.batch_intake import SentBatch, sent_batch
from api.deps import CallDep, Id
from api.documented import FORM_BODY, IDENTIFIED, POSTED, QUEUED, Responses, form_or_json, problems
from api.downloads import archive as archive_of
from api.guard import Guard, guarded
from api.pages import Page
from api.routing import GuardedRoute
from api.schemas.batch import BatchForm, BatchIn, BatchOut, BatchPage, BatchSummary
from core.imaging.signature import ZIP
from core.services import batches

router = APIRouter(prefix="/v1/batches", tags=["batches"], route_class=GuardedRoute)
_LOCATION = {"Location": {"description": "The batch.", "schema": {"type": "string"}}}
_QUEUED: Responses = {202: {"model": BatchOut, "description": "In the queue", "headers": _LOCATION}}
_STOPPING: Responses = {202: {"model": BatchOut, "description": "Some of it stops within a step"}}
_ARCHIVE: Responses = {
    200: {"description": "A zip", "content": {ZIP: {"schema": {"type": "string", "format": "binary"}}}}
}


@router.post(
    "",
    status_code=202,
    responses=_QUEUED | problems(*FORM_BODY, *QUEUED),
    openapi_extra=form_or_json(BatchForm, BatchIn, several=True),
)
@guarded(Guard(body="album", queues=True, stores=True, spools=True))
def create(call: CallDep, sent: Annotated[SentBatch, Depends(sent_batch)]) -> Response:
    """Restore many photos alike: one zip, several photos, or files that were uploaded before.

    All are queued, or none. What is no photo is told of in `rejected`, and the others go on.
    """
    sent.settle(call)
    with call.write() as session:
        view = sent.create(session, call)
        call.ring_after()
        return call.answer(session, BatchOut.of(view), 202, {"Location": f"/v1/batches/{view.batch.id}"})


@router.get("", response_model=BatchPage, responses=problems())
def listed(page: Page, call: CallDep) -> Response:
    """Your batches, newest first, with how many of their photos are where."""
    with call.read() as session:
        views = batches.listed(session, call.owner_id, page.one_more, page.before_id)
        body, headers = page.of(views, lambda view: view.batch.id, BatchPage, BatchSummary.of)
        return call.answer(session, body, headers=headers)


@router.get("/{batch_id}", response_model=BatchOut, responses=problems(*IDENTIFIED))
def one(batch_id: Id, call: CallDep) -> Response:
    """A batch, photo by photo."""
    with call.read() as session:
        return call.answer(session, BatchOut.of(batches.get(session, call.owner_id, batch_id)))


@router.get("/{batch_id}/archive", response_class=StreamingResponse, responses=_ARCHIVE | problems(*IDENTIFIED, 409))
def archive(batch_id: Id, call: CallDep) -> Response:
    """The whole photos that are done, as a zip that is written while it is sent; each under the name it was sent by."""
    with call.read() as session:
        results = batches.results(session, call.owner_id, batch_id)
    store = call.service.store
    return archive_of(((result.name, store.read(result.ref)) for result in results), f"{batch_id}.zip")


@router.post("/{batch_id}/cancel", response_model=BatchOut, responses=_STOPPING | problems(*IDENTIFIED, *POSTED))
@guarded(Guard(body="none"))
def cancel(batch_id: Id, call: CallDep) -> Response:
    """Stop what of a batch has not ended; what is done stays."""
    _stop(call, batch_id)
    with call.write() as session:
        shown = BatchOut.of(batches.get(session, call.owner_id, batch_id))
        return call.answer(session, shown, 200 if shown.ended else 202)


def _stop(call: CallDep, batch_id: str) -> None:
    more = True
    while more:
        with call.write() as session:
            more = batches.stop_some(session, call.owner_id, batch_id)


@router.delete("/{batch_id}", status_code=204, responses=problems(*IDENTIFIED))
def delete(batch_id: Id, call: CallDep) -> Response:
    """Forget a batch, its restorations and results, and photos that came along; what has not ended is stopped."""
    _stop(call, batch_id)
    with call.write() as session:
        batches.delete(session, call.owner_id, batch_id)
    return Response(status_code=204)

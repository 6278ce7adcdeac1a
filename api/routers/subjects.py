"""Subjects: people and animals whose albums constrain the prior."""

from fastapi import APIRouter
from fastapi.responses import Response, StreamingResponse

from api.deps import CallDep, Id
from api.documented import IDENTIFIED, JSON_BODY, POSTED, Responses, made, problems
from api.downloads import archive
from api.exporting import contents_of
from api.pages import Page
from api.routing import GuardedRoute
from api.schemas.subject import ReceiptOut, SubjectChange, SubjectIn, SubjectOut, SubjectPage
from core.services import subjects
from core.services.export import files_about

router = APIRouter(prefix="/v1/subjects", tags=["subjects"], route_class=GuardedRoute)
_EXPORT: Responses = {
    200: {
        "description": "A zip",
        "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.post("", status_code=201, responses=made(SubjectOut, "Made") | problems(*JSON_BODY, *POSTED))
def create(body: SubjectIn, call: CallDep) -> Response:
    """A new subject; a person's needs that person's consent."""
    with call.write() as session:
        subject = subjects.create(session, call.owner_id, body.name, body.category, body.consented())
        return call.answer(session, SubjectOut.of(subject), 201, {"Location": f"/v1/subjects/{subject.id}"})


@router.get("", response_model=SubjectPage, responses=problems())
def listed(page: Page, call: CallDep) -> Response:
    """Your subjects, newest first."""
    with call.read() as session:
        rows = subjects.listed(session, call.owner_id, page.one_more, page.before_id)
        body, headers = page.of(rows, lambda row: row.id, SubjectPage, SubjectOut.of)
        return call.answer(session, body, headers=headers)


@router.get("/{subject_id}", response_model=SubjectOut, responses=problems(*IDENTIFIED))
def one(subject_id: Id, call: CallDep) -> Response:
    """A subject."""
    with call.read() as session:
        return call.answer(session, SubjectOut.of(subjects.get(session, call.owner_id, subject_id)))


@router.patch("/{subject_id}", response_model=SubjectOut, responses=problems(*IDENTIFIED, *JSON_BODY))
def change(subject_id: Id, body: SubjectChange, call: CallDep) -> Response:
    """Change a subject's name, category or consent."""
    with call.write() as session:
        values = (body.name, body.category, body.consented())
        return call.answer(session, SubjectOut.of(subjects.change(session, call.owner_id, subject_id, *values)))


@router.get("/{subject_id}/export", response_class=StreamingResponse, responses=_EXPORT | problems(*IDENTIFIED))
def export(subject_id: Id, call: CallDep) -> Response:
    """Everything that is kept about a subject: `subject.json` with every row, and every file that they name."""
    with call.service.database.snapshot() as session:
        files = files_about(session, call.owner_id, subject_id)
    return archive(contents_of(files, call.service.store), f"{subject_id}.zip")


@router.delete("/{subject_id}", response_model=ReceiptOut, responses=problems(*IDENTIFIED))
def delete(subject_id: Id, call: CallDep) -> Response:
    """Forget a subject: album, checkpoints, and every result made with them. Its jobs are stopped."""
    with call.write() as session:
        return call.answer(session, ReceiptOut.of(subjects.delete(session, call.owner_id, subject_id)))

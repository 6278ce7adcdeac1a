"""Jobs: looked at, listened to, stopped, tried again."""

from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.responses import Response, StreamingResponse
from sqlalchemy.orm import Session

from api.deps import CallDep, Id
from api.documented import IDENTIFIED, POSTED, PREFER, QUEUED, Responses, accepted, problems
from api.events import event_stream
from api.guard import Guard, guarded
from api.pages import Page
from api.routing import GuardedRoute
from api.schemas.job import JobOut, JobPage
from api.schemas.members import SubjectId
from core.domain.job import JobKind, JobStatus
from core.services import jobs, retrying

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], route_class=GuardedRoute)
_EVENTS: Responses = {
    200: {
        "description": "The events: what happened and what happens, until the job has ended",
        "content": {"text/event-stream": {"schema": {"$ref": "#/components/schemas/EventOut"}}},
    },
    204: {"description": "The job has ended, and there is nothing new"},
}
_STOPPING: Responses = {202: {"model": JobOut, "description": "It stops within a step"}}


@router.get("", response_model=JobPage, responses=problems())
def listed(
    page: Page,
    call: CallDep,
    status: JobStatus | None = None,
    kind: JobKind | None = None,
    subject: Annotated[SubjectId | None, Query()] = None,
) -> Response:
    """Your jobs, newest first."""
    with call.read() as session:
        asked = (call.service.forecaster, page.one_more, page.before_id)
        views = jobs.listed(session, call.owner_id, *asked, status=status, kind=kind, subject_id=subject)
        body, headers = page.of(views, lambda view: view.job.id, JobPage, JobOut.of)
        return call.answer(session, body, headers=headers)


@router.get("/{job_id}", response_model=JobOut, responses=problems(*IDENTIFIED))
def one(job_id: Id, call: CallDep) -> Response:
    """Where a job stands."""
    with call.read() as session:
        return call.answer(session, _shown(call, session, job_id))


def _shown(call: CallDep, session: Session, job_id: str) -> JobOut:
    return JobOut.of(call.view(session, jobs.get(session, call.owner_id, job_id)))


@router.post(
    "/{job_id}/cancel",
    response_model=JobOut,
    responses=_STOPPING | problems(*IDENTIFIED, *POSTED),
)
@guarded(Guard(body="none"))
def cancel(job_id: Id, call: CallDep) -> Response:
    """Stop a job: 200 where it has ended, or was still queued; 202 where it is about to stop."""
    with call.write() as session:
        job, stopping = jobs.cancel(session, call.owner_id, job_id)
        return call.answer(session, JobOut.of(call.view(session, job)), 202 if stopping else 200)


@router.post(
    "/{job_id}/retry",
    status_code=202,
    responses=accepted(JobOut, JobOut) | problems(*QUEUED),
    openapi_extra=PREFER,
)
@guarded(Guard(body="none", queues=True))
def retry(job_id: Id, call: CallDep) -> Response:
    """Begin a job that failed, was cancelled or came too late anew, as a new one.

    One job at a time makes a restoration or a checkpoint: where another one does so already, or has done so, the answer
    is 409 and names it. So it is where the service's prior has changed since: send the request again. 404 where the
    photo, or what was to be made, was deleted.
    """
    with call.write() as session:
        job = retrying.retry(session, call.owner_id, job_id, call.offer.prior)
        shown = JobOut.of(call.view(session, job))
        return call.accepted(session, job, shown, lambda again: _shown(call, again, job.id))


@router.get("/{job_id}/events", response_class=StreamingResponse, responses=_EVENTS | problems(*IDENTIFIED))
def events(
    job_id: Id, call: CallDep, last_event_id: Annotated[int, Header(ge=0, lt=2**53, description="What came last.")] = 0
) -> Response:
    """Server-sent events: the timeline, with progress in between."""

    def look(event_id: int) -> jobs.Timeline:
        with call.read() as session:
            return jobs.timeline(session, call.owner_id, job_id, event_id)

    job, rows = look(last_event_id)
    if JobStatus(job.status).terminal and not rows:
        return Response(status_code=204)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    told = event_stream(look, (job, rows), last_event_id, call.service.stopping.is_set, call.seats())
    return StreamingResponse(told, 200, headers, "text/event-stream")

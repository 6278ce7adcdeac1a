"""One request: who calls, the service's parts, and the transactions in which a route does its work."""

import math
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from fastapi import Request
from fastapi.responses import Response
from pydantic import BaseModel
from sqlalchemy.orm import Session

from api.authentication import authenticated, token_of
from api.edge.admission import Room
from api.guard import Guard
from api.service import Service
from api.waiting import WaitingResponse, wanted_seconds
from core.db import jobs, queue, usage
from core.db.session import now_of
from core.db.tables import Job
from core.domain.errors import HeirloomError, InvalidRequestError, OverloadedError, QuotaExceededError
from core.domain.job import JobStatus
from core.services import estimates, idempotency
from core.services.access import Caller, Scope
from core.services.idempotency import StoredAnswer
from core.services.jobs import JobView, view
from core.services.offer import Offer

_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_KEPT_HEADERS = ("location", "retry-after", "content-type")


class Replay(Exception):  # noqa: N818  # no error: the way out of a request that was answered before
    """The answer is there already."""

    def __init__(self, answer: StoredAnswer) -> None:
        super().__init__("answered before")
        self.answer = answer


class Call:
    """One request on its way through the service."""

    def __init__(self, service: Service, request: Request) -> None:
        """Nobody is known yet: see `admit`."""
        self.service = service
        self._request = request
        self._caller: Caller | None = None
        self._key: str | None = None
        self._refusal: HeirloomError | None = None
        self._reserved = threading.Event()
        self._queued = False
        self._job_id: str | None = None

    @property
    def owner_id(self) -> str:
        """Whose things this request sees and makes."""
        if self._caller is None:
            raise RuntimeError("the request was not admitted")
        return self._caller.owner_id

    @property
    def offer(self) -> Offer:
        """See `Service.offer`."""
        return self.service.offer

    @property
    def repeatable(self) -> bool:
        """Whether the request carries an Idempotency-Key."""
        return self._key is not None

    def needs_database_to_admit(self, guard: Guard) -> bool:
        """Whether `admit` asks the database; if not, it may be called where nothing may block."""
        return guard.queues or not self.service.keyless or token_of(self._request) is not None

    def admit(self, guard: Guard) -> None:
        """Decide by the headers alone, before any of the body is read.

        Raises:
            UnauthenticatedError: no key, or not one of ours.
            ForbiddenError: a key that does not cover this.
            InvalidRequestError: an Idempotency-Key that cannot be one.
            QuotaExceededError: the caller has as many jobs as they may, or asks too often.
            OverloadedError: the queue is full.
        """
        self._caller = authenticated(self.service, self._request)
        self._caller.require(Scope.READ if self._request.method == "GET" else Scope.WRITE)
        key = self._idempotency_key()
        self._key = key if guard.keeps else None
        if guard.queues:
            try:
                with self.read() as session:
                    self.check_room(session)
            except (QuotaExceededError, OverloadedError) as refusal:
                self.refuse(refusal)

    def _idempotency_key(self) -> str | None:
        key = self._request.headers.get("idempotency-key")
        if key is None or self._request.method != "POST":
            return None
        if not _IDEMPOTENCY_KEY.fullmatch(key):
            raise InvalidRequestError(
                "The Idempotency-Key is not 1 to 255 visible ASCII characters.", "A UUID is a good one."
            )
        return key

    def check_room(self, session: Session, coming: int = 1) -> None:
        """Demand that so many more jobs may be queued.

        Raises:
            QuotaExceededError: the caller would have more jobs than they may, or had enough computed today.
            OverloadedError: the queue would be longer than it may be.
        """
        terms = self.service.terms
        there = jobs.count_open(session, self.owner_id)
        if there + coming > terms.max_open_jobs:
            self._come_back(session)
            raise QuotaExceededError(
                f"You have {there:,} jobs queued or running, and {terms.max_open_jobs:,} are the most.",
                "Wait until some have ended, or cancel some.",
            )
        self._check_compute(session)
        if queue.depth(session) + coming > terms.max_queued_jobs:
            self._come_back(session)
            raise OverloadedError("The queue is full.", "Send the request again later.")

    def _check_compute(self, session: Session) -> None:
        most = self.service.terms.max_compute_seconds
        if not most:
            return
        now = now_of(session)
        used = usage.of_today(session, self.owner_id, now)
        if used >= most:
            self._request.state.retry_after_seconds = math.ceil(usage.until_tomorrow(now).total_seconds())
            raise QuotaExceededError(
                f"Workers have computed {used:,.0f} seconds for you today, and {most:,} are the most.",
                "Come back after midnight (UTC); what you have queued is still done.",
            )

    def refuse(self, refusal: HeirloomError) -> None:
        """Refuse a request for which there is no room; one whose Idempotency-Key is known may need none.

        Raises:
            HeirloomError: the refusal; not where the key is known: `reserve` decides then, once the body is read.
        """
        if self._key is not None:
            with self.read() as session:
                if idempotency.is_known(session, self.owner_id, self._key):
                    self._refusal = refusal
                    return
        raise refusal

    @property
    def refused(self) -> bool:
        """Whether the request is a repetition or nothing: what it brings is read, and not kept."""
        return self._refusal is not None

    def _come_back(self, session: Session) -> None:
        seconds = self.service.forecaster.seconds_until_room(session)
        self._request.state.retry_after_seconds = seconds

    def reserve(self, request_sha256: str) -> None:
        """Take the request's Idempotency-Key, where it has one.

        Args:
            request_sha256: of the body's meaning.

        Raises:
            Replay: the first request has been answered: this is the answer.
            IdempotencyMismatchError: the key was used for another request.
            IdempotencyInFlightError: the first request is still being answered.
            HeirloomError: what was given to `refuse`, where it is not a repetition after all.
        """
        if self._key is None:
            return
        with self.service.database.write() as session:
            known = idempotency.reserve(session, self.owner_id, self._key, request_sha256)
            if known is None and self._refusal is not None:
                raise self._refusal
        if known is not None:
            raise Replay(known)
        self._reserved.set()

    def release(self) -> None:
        """Give the Idempotency-Key back: the request came to nothing."""
        if self._key is not None and self._reserved.is_set():
            with self.service.database.write() as session:
                idempotency.release(session, self.owner_id, self._key)

    @property
    def must_release(self) -> bool:
        """Whether `release` has something to do."""
        return self._reserved.is_set()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A transaction that only reads."""
        with self.service.database.read() as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A transaction that is committed when the block ends; then workers are woken, if a job was accepted in it."""
        with self.service.database.write() as session:
            yield session
        if self._job_id is not None:
            self._request.state.job_id = self._job_id  # for the request's log line: it is true only now
        if self._queued:
            self.service.doorbell.ring()

    def ring_after(self) -> None:
        """Wake workers once this transaction is committed."""
        self._queued = True

    def seats(self) -> Room:
        """Where those sit who listen for long.

        Raises:
            OverloadedError: there is no seat.
        """
        room = self.service.waiting
        if room.is_full:
            raise OverloadedError("As many callers wait and listen as may.", "Poll the job instead.")
        return room

    def view(self, session: Session, job: Job) -> JobView:
        """A job with its outlook."""
        return view(session, job, self.service.forecaster)

    def answer(
        self, session: Session, body: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> Response:
        """A JSON answer; kept in this transaction for the request's repetition, where it carries an Idempotency-Key."""
        response = Response(body.model_dump_json(), status, dict(headers or {}), "application/json")
        if self._key is not None and self._reserved.is_set():
            kept = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
            stored = StoredAnswer(response.status_code, kept, bytes(response.body))
            idempotency.keep(session, self.owner_id, self._key, stored)
        return response

    def accepted(
        self, session: Session, job: Job, body: BaseModel, result: Callable[[Session], BaseModel], *, new: bool = True
    ) -> Response:
        """202 for a job in the queue, 200 for one that has ended; with `Prefer: wait` not before it has, if it can be.

        Args:
            session: the transaction that queued it.
            job: the job.
            body: what the 202 says.
            result: what is answered once the job has ended.
            new: whether workers are to be woken.
        """
        self._queued = new
        self._job_id = job.id
        job_id, owner_id, ended = job.id, self.owner_id, JobStatus(job.status).terminal
        seconds = estimates.retry_after_seconds(self.view(session, job).forecast)
        headers = {"Location": f"/v1/jobs/{job_id}"} | ({} if ended else {"Retry-After": str(seconds)})
        response = self.answer(session, body, 200 if ended else 202, headers)
        wait = wanted_seconds(self._request.headers.get("prefer", ""), self.service.settings.max_wait_seconds)
        if not wait or ended:
            return response

        def look() -> BaseModel | None:
            with self.read() as again:
                found = jobs.get(again, owner_id, job_id)
                return result(again) if found is not None and JobStatus(found.status).terminal else None

        return WaitingResponse(response, look, wait, self.service.stopping.is_set, self.service.waiting)

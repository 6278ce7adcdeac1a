"""A caller that has always something to be restored, and repeats what was not answered."""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.chaos.ledger import Entry, Ledger
from tests.chaos.recipes import CROPS, album, crop, unreadable

SUBJECT = {"name": "Nobody", "category": "other"}
_MIX = {"direct": 40, "personal": 14, "generative": 18, "album": 12, "unreadable": 8, "cancelled": 8}
_PAUSE_SECONDS = 0.25
_IN_FLIGHT_SECONDS = 5.0
_GIVE_UP_SECONDS = 60.0
_TIMEOUT_SECONDS = 15.0
_NOT_READY = ("checkpoint_not_ready",)


@dataclass
class Work:
    """What one request asks for.

    Attributes:
        kind: of work.
        path: of the POST.
        files: of the form.
        fields: of the form.
        may_fail: see `Entry`.
        waits: see `Entry`.
    """

    kind: str
    path: str
    files: dict[str, tuple[str, bytes, str]]
    fields: dict[str, str]
    may_fail: tuple[str, ...] = ()
    waits: bool = False


@dataclass
class Client:
    """Of one campaign.

    Attributes:
        url: of the API.
        headers: of the caller.
        ledger: where everything is written down.
        seed: of what is asked for.
        open_jobs: how many are open now; the client asks for more below `most_open`.
        most_open: see there.
        statuses: how often each status was answered.
    """

    url: str
    headers: dict[str, str]
    ledger: Ledger
    seed: int
    open_jobs: Callable[[], int]
    most_open: int
    statuses: dict[int, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._dice = random.Random(f"{self.seed}:client")
        self._subjects: list[str] = []
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._number = 0

    def prepare(self, subjects: int = 2) -> list[str]:
        """Make subjects, and have their albums tuned; the jobs to wait for."""
        with self._caller() as http:
            for _ in range(subjects):
                answer = http.post("/v1/subjects", json=SUBJECT)
                answer.raise_for_status()
                self._subjects.append(answer.json()["id"])
                self._send(http, self._album(self._subjects[-1]))
        return [entry.job_id for entry in self.ledger.accepted]

    def start(self, threads: int = 2) -> None:
        """Ask for more and more."""
        self._threads = [threading.Thread(target=self._ask_on, daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ask for nothing new; what is being asked for is finished."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask_on(self) -> None:
        with self._caller() as http:
            while not self._stop.is_set():
                if self.open_jobs() >= self.most_open:
                    time.sleep(0.1)
                    continue
                self._send(http, self._next())

    def _caller(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers=self.headers, timeout=_TIMEOUT_SECONDS)

    def _next(self) -> Work:
        with self._lock:
            kind = self._dice.choices(list(_MIX), list(_MIX.values()))[0]
            subject, number = self._dice.choice(self._subjects), self._dice.randrange(CROPS)
        if kind == "album":
            return self._album(subject)
        if kind == "unreadable":
            return _restoration(kind, unreadable(), "chaos-direct", may_fail=("image_unreadable",))
        if kind == "personal":
            # Its subject may be tuned anew at this moment: then it waits for that.
            more = {"subject_id": subject}
            return _restoration(kind, crop(number), "chaos-personal", more, may_fail=_NOT_READY, waits=True)
        recipe = "chaos-generative" if kind in ("generative", "cancelled") else "chaos-direct"
        return _restoration(kind, crop(number), recipe)

    def _album(self, subject: str) -> Work:
        with self._lock:
            large = self._dice.random() < 0.5
        files = {"file": ("album.zip", album(large=large), "application/zip")}
        return Work("album", f"/v1/subjects/{subject}/album", files, {"recipe": "chaos-personal"})

    def _send(self, http: httpx.Client, work: Work) -> None:
        with self._lock:
            self._number += 1
            number = self._number
        entry = Entry(
            f"chaos-{self.seed}-{number}", work.kind, number, time.time(), may_fail=work.may_fail, waits=work.waits
        )
        self.ledger.ask(entry)
        headers = {"Idempotency-Key": entry.key}
        fields = work.fields | {"seed": str(number)}
        in_flight_since: float | None = None
        while time.time() - entry.asked_at < _GIVE_UP_SECONDS:
            answer = self._once(http, work.path, entry, headers=headers, files=work.files, data=fields)
            if answer is not None and answer.status_code == httpx.codes.ACCEPTED:
                self.ledger.accept(entry, answer.json()["id"])
                if work.kind == "cancelled":
                    self._cancel(http, entry)
                return
            code = "" if answer is None else _code(answer)
            if code == "idempotency_in_flight" or (answer is not None and answer.status_code == httpx.codes.CONFLICT):
                # Its first request died with the API before it was answered: the key stays taken for minutes.
                in_flight_since = in_flight_since or time.time()
                if time.time() - in_flight_since > _IN_FLIGHT_SECONDS:
                    return
            elif answer is not None and not (answer.status_code >= 500 or answer.status_code == 429):
                self.problems.append(f"{work.kind} was answered {answer.status_code} {code}")
                return
            time.sleep(_PAUSE_SECONDS)

    def _cancel(self, http: httpx.Client, entry: Entry) -> None:
        with self._lock:
            pause = self._dice.uniform(0.0, 0.8)
        time.sleep(pause)
        self.ledger.cancel(entry)
        for _ in range(8):
            answer = self._once(http, f"/v1/jobs/{entry.job_id}/cancel", entry)
            if answer is not None and answer.status_code < 500:
                return
            time.sleep(_PAUSE_SECONDS)

    def _once(self, http: httpx.Client, path: str, entry: Entry, **options: Any) -> httpx.Response | None:
        try:
            answer = http.post(path, **options)
        except httpx.TransportError:
            self._count(0)
            self.ledger.answer(entry, 0)
            return None
        self._count(answer.status_code)
        self.ledger.answer(entry, answer.status_code, _code(answer))
        return answer

    def _count(self, status: int) -> None:
        with self._lock:
            self.statuses[status] = self.statuses.get(status, 0) + 1


def _restoration(
    kind: str,
    photo: bytes,
    recipe: str,
    more: dict[str, str] | None = None,
    *,
    may_fail: tuple[str, ...] = (),
    waits: bool = False,
) -> Work:
    files = {"file": ("photo.png", photo, "image/png")}
    fields = {"recipe": recipe, "aligned": "true", "category": "other"} | (more or {})
    if recipe == "chaos-direct":
        fields["mode"] = "direct"
    return Work(kind, "/v1/restorations", files, fields, may_fail, waits)


def _code(answer: httpx.Response) -> str:
    if answer.is_success:
        return ""
    try:
        return str(answer.json().get("code", ""))
    except ValueError:
        return ""

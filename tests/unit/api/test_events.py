import asyncio
import json
import threading
from datetime import UTC, datetime
from types import SimpleNamespace

from api import events
from api.edge.admission import Room
from core.db.tables import Job
from core.domain.job import JobEvent
from core.services import jobs
from tests import pretend_worker


def parsed(text):
    blocks = [block for block in text.split("\n\n") if block and not block.startswith(":")]
    return [dict(line.split(": ", 1) for line in block.splitlines()) for block in blocks]


def test_an_ended_job_s_timeline_is_told_whole(api):
    job = api.restoration(mode="direct")
    pretend_worker.restore(api.database, api.store, job["id"])
    answer = api.client.get(job["links"]["events"])
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store"
    told = parsed(answer.text)
    assert [event["event"] for event in told] == ["created", "claimed", "succeeded"]
    numbers = [int(event["id"]) for event in told]
    assert numbers == sorted(numbers)
    first = json.loads(told[0]["data"])
    assert first["kind"] == "restoration"
    assert datetime.fromisoformat(first["at"]).tzinfo is not None


def test_a_client_goes_on_after_what_it_has_seen(api):
    job = api.restoration(mode="direct")
    pretend_worker.restore(api.database, api.store, job["id"])
    told = parsed(api.client.get(job["links"]["events"]).text)
    rest = api.client.get(job["links"]["events"], headers={"Last-Event-ID": told[0]["id"]})
    assert parsed(rest.text) == told[1:]
    # 204 tells a browser not to come again.
    over = api.client.get(job["links"]["events"], headers={"Last-Event-ID": told[-1]["id"]})
    assert (over.status_code, over.content) == (204, b"")


def test_a_last_event_id_that_is_no_number_is_refused(api):
    job = api.restoration(mode="direct")
    for wrong in ("x", "-1", "1.5", str(2**70)):
        assert api.client.get(job["links"]["events"], headers={"Last-Event-ID": wrong}).status_code == 422


def test_what_happens_while_somebody_listens_is_told_until_the_job_has_ended(api):
    job = api.restoration(mode="direct")
    listening = threading.Event()
    ended = threading.Thread(target=lambda: (listening.wait(5), work(api, job["id"])))
    ended.start()
    text = ""
    with api.client.stream("GET", job["links"]["events"]) as answer:
        listening.set()
        for part in answer.iter_text():
            text += part
    ended.join()
    names = [event["event"] for event in parsed(text)]
    assert [name for name in names if name != "progress"] == ["created", "claimed", "failed"]
    assert all("id" not in event for event in parsed(text) if event["event"] == "progress")


def work(api, job_id):
    pretend_worker.claim(api.database, job_id, progress_done=1, progress_total=2)
    pretend_worker.end(api.database, job_id, JobEvent.FAILED)


class Looks:
    """Plays a job back, look by look."""

    def __init__(self, *looks):
        self.looks = list(looks)
        self.asked = []

    def __call__(self, last_id):
        self.asked.append(last_id)
        return self.looks.pop(0)


def row(number, kind):
    return SimpleNamespace(id=number, type=kind, at=datetime(2026, 1, 1, tzinfo=UTC), attempt=1, data={})


def job(status, done=0):
    return Job(status=status, stage="restore", progress_done=done, progress_total=4)


def collected(looks, stopping=lambda: False):
    async def collect():
        first = looks(0)
        return [text async for text in events.event_stream(looks, first, 0, stopping, Room(1), pause_seconds=0.0)]

    return asyncio.run(collect())


def test_progress_is_told_when_it_moves_and_has_no_number():
    looks = Looks(
        (job("running", 1), [row(1, "claimed")]),
        (job("running", 1), []),
        (job("running", 3), []),
        (job("succeeded", 4), [row(2, "succeeded")]),
        (job("succeeded", 4), []),
    )
    text = "".join(collected(looks))
    assert [event["event"] for event in parsed(text)] == ["claimed", "progress", "progress", "succeeded"]
    assert [json.loads(event["data"])["done"] for event in parsed(text) if event["event"] == "progress"] == [1, 3]
    assert looks.asked == [0, 1, 1, 1, 2]


def test_a_long_timeline_is_told_to_its_end_even_where_the_job_has_ended():
    looks = Looks(
        (job("failed"), [row(1, "created"), row(2, "claimed")]),
        (job("failed"), [row(3, "failed")]),
        (job("failed"), []),
    )
    assert [event["event"] for event in parsed("".join(collected(looks)))] == ["created", "claimed", "failed"]


def test_where_nothing_happens_a_comment_keeps_the_connection(monkeypatch):
    monkeypatch.setattr(events, "HEARTBEAT_SECONDS", -1.0)
    looks = Looks((job("queued"), []), (job("cancelled"), [row(1, "cancelled")]), (job("cancelled"), []))
    said = collected(looks)
    assert said[0].startswith(": ")
    assert parsed(said[0]) == []
    assert parsed(said[1])[0]["event"] == "cancelled"


def test_a_server_that_stops_ends_its_streams_and_its_waiting_answers(api, monkeypatch):
    job = api.restoration(mode="direct")
    timeline, looks = jobs.timeline, []

    def look(*asked):
        looks.append(asked)
        if len(looks) == 3:  # the stream is under way
            api.client.app.state.service.stopping.set()
        return timeline(*asked)

    monkeypatch.setattr(jobs, "timeline", look)
    told = api.client.get(job["links"]["events"])
    assert [event["event"] for event in parsed(told.text)] == ["created"]
    body = {"input": {"file_id": api.file()}, "mode": "direct"}
    assert api.client.post("/v1/restorations", json=body, headers={"Prefer": "wait=60"}).status_code == 202

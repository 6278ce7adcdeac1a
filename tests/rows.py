"""Rows for tests of the database, with what must be in them, and the queue's few steps."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from core.db import events, jobs, queue
from core.db.session import Database
from core.db.tables import AlbumPhoto, CandidateRow, Checkpoint, File, Job, Restoration, StageOutput, Subject
from core.domain.ids import Prefix, new_id

OWNER = "own_local"
DIGEST = "a" * 64
NOW = datetime(2026, 1, 1, tzinfo=UTC)
LEASE = timedelta(seconds=60)
ME = queue.Claim("wkr_me", LEASE)
DEAD = queue.Claim("wkr_dead", timedelta(seconds=-1))
"""A worker whose leases are over at once."""


def job(**columns: Any) -> Job:
    """A queued restoration of the local owner."""
    values = {
        "id": new_id(Prefix.JOB),
        "owner_id": OWNER,
        "kind": "restoration",
        "status": "queued",
        "priority": 0,
        "prior_name": "starter",
        "prior_sha256": DIGEST,
        "recipe": {},
        "recipe_digest": DIGEST,
        "seed": 1,
        "options": {},
        "attempt": 0,
        "crashes": 0,
        "faults": 0,
        "cancel_requested": False,
        "metrics": {},
        "warnings": [],
        "created_at": NOW,
    }
    return Job(**(values | columns))


def subject(session: Session) -> Subject:
    """Somebody with an album."""
    row = Subject(
        id=new_id(Prefix.SUBJECT), owner_id=OWNER, name="x", category="person", created_at=NOW, updated_at=NOW
    )
    session.add(row)
    session.flush()
    return row


def checkpoint(session: Session, **columns: Any) -> Checkpoint:
    """A checkpoint that is being made, of a subject of its own."""
    values = {
        "id": new_id(Prefix.CHECKPOINT),
        "owner_id": OWNER,
        "status": "pending",
        "identity": DIGEST,
        "prior_name": "starter",
        "prior_sha256": DIGEST,
        "recipe": {},
        "recipe_digest": DIGEST,
        "seed": 1,
        "album_sha256": DIGEST,
        "scores": {},
        "created_at": NOW,
    }
    row = Checkpoint(**({"subject_id": None} | values | columns))
    row.subject_id = row.subject_id or subject(session).id
    session.add(row)
    session.flush()
    return row


def stage_output(session: Session, job_id: str, sha256: str = DIGEST, **columns: Any) -> StageOutput:
    """Something a stage made."""
    values = {
        "job_id": job_id,
        "stage": "album",
        "item": "0",
        "input_hash": DIGEST,
        "owner_id": OWNER,
        "blob_sha256": sha256,
        "size_bytes": 1,
        "attempt": 1,
        "created_at": NOW,
    }
    row = StageOutput(**(values | columns))
    session.add(row)
    session.flush()
    return row


def file(sha256: str, **columns: Any) -> File:
    """An upload."""
    values = {"id": new_id(Prefix.FILE), "owner_id": OWNER, "size_bytes": 1, "media_type": "image/png", "name": "x"}
    return File(blob_sha256=sha256, created_at=NOW, **(values | columns))


def album_photo(session: Session, sha256: str) -> AlbumPhoto:
    """A photo in an album of its own."""
    row = AlbumPhoto(
        id=new_id(Prefix.ALBUM_PHOTO),
        owner_id=OWNER,
        subject_id=subject(session).id,
        blob_sha256=sha256,
        size_bytes=1,
        label="x",
        status="pending",
        created_at=NOW,
    )
    session.add(row)
    session.flush()
    return row


def restoration(session: Session, faces: list[dict[str, Any]]) -> Restoration:
    """A photo's restoration."""
    row = Restoration(
        id=new_id(Prefix.RESTORATION),
        owner_id=OWNER,
        job_id="job_none",
        input_sha256=DIGEST,
        mode="direct",
        candidates=1,
        output={},
        faces=faces,
        created_at=NOW,
    )
    session.add(row)
    session.flush()
    return row


def candidate(session: Session, sha256: str) -> CandidateRow:
    """A restored face of a restoration of its own."""
    row = CandidateRow(
        restoration_id=restoration(session, [{"n": 0, "error": {"code": "face_too_small"}}]).id,
        face=0,
        number=0,
        owner_id=OWNER,
        blob_sha256=sha256,
        size_bytes=1,
        media_type="image/png",
        width=1,
        height=1,
        scores={},
    )
    session.add(row)
    session.flush()
    return row


def put(database: Database, **columns: Any) -> str:
    """Put a job into the queue; its id."""
    with database.write() as session:
        return jobs.insert(session, job(**columns)).id


def take(database: Database, claim: queue.Claim = ME) -> Job | None:
    """Claim the next one."""
    with database.write() as session:
        return queue.claim(session, claim)


def look(database: Database, job_id: str) -> Job:
    """A job as it is now."""
    with database.read() as session:
        return session.get_one(Job, job_id)


def told(database: Database, job_id: str) -> Sequence[str]:
    """What its timeline says."""
    with database.read() as session:
        return [event.type for event in events.after(session, OWNER, job_id)]

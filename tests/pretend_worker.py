"""What a worker writes when jobs end, without the work: tests of the API need its rows, not its pixels."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from core.db import blobs, queue
from core.db.session import Database, now_of
from core.db.tables import AlbumPhoto, CandidateRow, Checkpoint, Job, Restoration, Subject, Worker
from core.domain.ids import Prefix, new_id
from core.domain.job import JobEvent
from core.priors.locate import describe_prior
from core.storage.base import BlobStore, write_blob
from tests import rows
from tests.small_photos import photo

LEASE = timedelta(seconds=60)
PRIORS = (rows.DIGEST, describe_prior("starter", Path()).sha256)
"""Of jobs that tests put into the queue themselves, and of those that the service does."""
WEIGHTS = b"weights" * 1000
THUMBNAIL = b"\xff\xd8\xff and so on"


def register(database: Database, name: str = "pretended", priors: Sequence[str] = PRIORS) -> str:
    """A worker that is alive."""
    with database.write() as session:
        now = now_of(session)
        row = Worker(
            id=new_id(Prefix.WORKER),
            name=name,
            device="cpu",
            precision="fp32",
            priors=list(priors),
            state="idle",
            job_ids=[],
            metrics={},
            started_at=now,
            last_seen_at=now,
        )
        session.add(row)
        return row.id


def claim(database: Database, job_id: str, **columns: Any) -> None:
    """Take this very job."""
    with database.write() as session:
        now = now_of(session)
        job = session.get_one(Job, job_id)
        values = {"worker_id": "wkr_pretended", "lease_until": now + LEASE, "stage": "intake"} | columns
        queue.move(session, job, JobEvent.CLAIMED, now, **values)


def end(database: Database, job_id: str, event: JobEvent, **columns: Any) -> None:
    """End a job that was claimed."""
    with database.write() as session:
        queue.move(session, session.get_one(Job, job_id), event, now_of(session), **columns)


def fail(database: Database, job_id: str, code: str = "image_unreadable") -> None:
    """Claim and fail a job."""
    claim(database, job_id)
    problem = {"code": code, "detail": "It is damaged.", "advice": "Send another.", "retryable": False}
    end(database, job_id, JobEvent.FAILED, error=problem)


def tune(database: Database, store: BlobStore, job_id: str, run_seconds: float = 30.0) -> str:
    """Claim and succeed a job that makes a checkpoint; the checkpoint's id."""
    claim(database, job_id)
    with database.read() as session:
        owner_id = session.get_one(Job, job_id).owner_id
    ref = write_blob(store, owner_id, WEIGHTS)  # outside of any transaction, as everywhere
    with database.write() as session:
        job = session.get_one(Job, job_id)
        now = now_of(session)
        for photo_id in job.options["photo_ids"]:
            photo_row = session.get_one(AlbumPhoto, photo_id)
            photo_row.status, photo_row.thumbnail = "kept", THUMBNAIL
        checkpoint = session.get_one(Checkpoint, job.checkpoint_id)
        blobs.mark_ready(session, ref)
        checkpoint.status, checkpoint.blob_sha256, checkpoint.size_bytes = "ready", ref.sha256, ref.size_bytes
        checkpoint.step, checkpoint.expires_at = 250, now + timedelta(days=90)
        session.get_one(Subject, job.subject_id).default_checkpoint_id = checkpoint.id
        queue.move(session, job, JobEvent.SUCCEEDED, now, run_seconds=run_seconds)
        return checkpoint.id


def restore(database: Database, store: BlobStore, job_id: str, *, faces: bool = True, run_seconds: float = 4.0) -> None:
    """Claim and succeed a restoration; without faces it succeeds all the same, with a warning."""
    claim(database, job_id)
    with database.read() as session:
        row = session.get_one(Restoration, session.get_one(Job, job_id).restoration_id)
    crop, *results = [write_blob(store, row.owner_id, photo(900 + number)) for number in range(1 + row.candidates)]
    with database.write() as session:
        job = session.get_one(Job, job_id)
        row = session.get_one(Restoration, job.restoration_id)
        warnings = [{"code": "no_face_detected", "detail": "No face was found.", "advice": "Send another."}]
        if faces:
            warnings = []
            blobs.mark_ready(session, crop, *results)
            session.add_all(
                CandidateRow(
                    restoration_id=row.id,
                    face=0,
                    number=number,
                    owner_id=job.owner_id,
                    blob_sha256=ref.sha256,
                    size_bytes=ref.size_bytes,
                    media_type="image/png",
                    width=8,
                    height=8,
                    scores={"identity_to_photo": 0.9 - number / 10},
                )
                for number, ref in enumerate(results)
            )
            row.faces = [
                {
                    "n": 0,
                    "quad": [[0.0, 0.0], [0.0, 8.0], [8.0, 8.0], [8.0, 0.0]],
                    "selected": 0,
                    "crop_sha256": crop.sha256,
                    "crop_size_bytes": crop.size_bytes,
                    "error": None,
                }
            ]
        queue.move(session, job, JobEvent.SUCCEEDED, now_of(session), run_seconds=run_seconds, warnings=warnings)

"""What a worker writes when jobs end, without the work: tests of the API need its rows, not its pixels."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from core.db import blobs, queue
from core.db.session import Database, now_of
from core.db.tables import AlbumPhoto, CandidateRow, Checkpoint, Job, Restoration, Subject, Worker
from core.domain.ids import Prefix, new_id
from core.domain.job import JobEvent
from core.imaging.intake import encode
from core.imaging.recompose import OutputWish, RestoredFace, recompose
from core.priors.locate import describe_prior
from core.storage.base import BlobRef, BlobStore, write_blob
from tests import rows
from tests.small_photos import photo

LEASE = timedelta(seconds=60)
PRIORS = (rows.DIGEST, describe_prior("starter", Path()).sha256)
"""Of jobs that tests put into the queue themselves, and of those that the service does."""
WEIGHTS = b"weights" * 1000
THUMBNAIL = b"\xff\xd8\xff and so on"


PHOTO_PIXELS, FACE_PIXELS = (64, 96), 32
QUADS = [[[x, 16.0], [x, 48.0], [x + 32, 48.0], [x + 32, 16.0]] for x in (8.0, 56.0)]
"""Where two faces stand in a photo of `group_photo`: top left, bottom left, bottom right, top right."""


def group_photo(file_format: str = "png") -> bytes:
    """A photo that two faces could stand in."""
    pixels = np.random.default_rng(5).integers(96, 160, (*PHOTO_PIXELS, 3), dtype=np.uint8)
    return encode(pixels, file_format)


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


def face_entry(n: int, quad: list[list[float]], crop: BlobRef, **more: Any) -> dict[str, Any]:
    """A restored face as it stands in its restoration's row."""
    xs, ys = [x for x, _ in quad], [y for _, y in quad]
    return {
        "n": n,
        "quad": quad,
        "outline": None,
        "box": [min(xs), min(ys), max(xs), max(ys)],
        "eye_distance_pixels": (max(xs) - min(xs)) / 4,
        "source": "detected",
        "verdict": "restored",
        "notes": [],
        "noise_steps": 200,
        "subject_id": None,
        "checkpoint_id": None,
        "identity": None,
        "proposal": None,
        "seed": n,
        "selected": 0,
        "crop_sha256": crop.sha256,
        "crop_size_bytes": crop.size_bytes,
        "layers": None,
        "error": None,
    } | more


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
                    native_sha256=ref.sha256,
                    native_size_bytes=ref.size_bytes,
                )
                for number, ref in enumerate(results)
            )
            row.faces = [face_entry(0, [[0.0, 0.0], [0.0, 8.0], [8.0, 8.0], [8.0, 0.0]], crop)]
            row.image_sha256, row.image_size_bytes = results[0].sha256, results[0].size_bytes
            row.image_media_type, row.width, row.height = "image/png", 8, 8
        queue.move(session, job, JobEvent.SUCCEEDED, now_of(session), run_seconds=run_seconds, warnings=warnings)


def restore_group(database: Database, store: BlobStore, job_id: str, **output: Any) -> None:
    """Claim and succeed a restoration of `group_photo`: two faces, two candidates each, really put together."""
    claim(database, job_id)
    with database.read() as session:
        owner_id = session.get_one(Job, job_id).owner_id
    sizes = np.random.default_rng(7).integers(0, 256, (2, 2, 4, 4, 3), dtype=np.uint8)
    natives = sizes.repeat(FACE_PIXELS // 4, axis=2).repeat(FACE_PIXELS // 4, axis=3)
    refs = [[write_blob(store, owner_id, encode(picture)) for picture in face] for face in natives]
    crops = [write_blob(store, owner_id, photo(950 + n)) for n in range(2)]
    faces = [RestoredFace(np.array(quad), None, natives[n, 0], n) for n, quad in enumerate(QUADS)]
    made = recompose(group_photo(), faces, OutputWish(**output))
    image = write_blob(store, owner_id, made.saved.data)
    with database.write() as session:
        job = session.get_one(Job, job_id)
        row = session.get_one(Restoration, job.restoration_id)
        blobs.mark_ready(session, image, *crops, *refs[0], *refs[1])
        row.image_sha256, row.image_size_bytes = image.sha256, image.size_bytes
        row.image_media_type, row.width, row.height = made.saved.media_type, made.width, made.height
        row.faces = [face_entry(n, quad, crops[n]) for n, quad in enumerate(QUADS)]
        for n, number in np.ndindex(2, 2):
            ref = refs[n][number]
            session.add(
                CandidateRow(
                    restoration_id=row.id,
                    face=n,
                    number=number,
                    owner_id=owner_id,
                    blob_sha256=ref.sha256,
                    size_bytes=ref.size_bytes,
                    media_type="image/png",
                    width=FACE_PIXELS,
                    height=FACE_PIXELS,
                    scores={},
                    native_sha256=ref.sha256,
                    native_size_bytes=ref.size_bytes,
                )
            )
        queue.move(session, job, JobEvent.SUCCEEDED, now_of(session), run_seconds=4.0)

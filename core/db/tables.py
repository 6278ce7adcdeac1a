"""Every table. Column names are the domain's; a moment is UTC; JSON holds what nobody searches for.

Rows carry their owner: every query of the service names one. Migrations make the tables (`migrations/`), and a test
fails where they and this file differ.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, Float, ForeignKey, Index, Integer, LargeBinary, String, Text, text
from sqlalchemy.orm import Mapped, column_property, mapped_column

from core.db.base import ID, SHA256, flag, index, owner, word
from core.db.base import Base as Base  # with what all tables are registered in
from core.db.types import BigId
from core.db.webhook_tables import OutboxMessage as OutboxMessage  # a table like the others
from core.db.webhook_tables import WebhookDelivery as WebhookDelivery  # as above
from core.db.webhook_tables import WebhookEndpoint as WebhookEndpoint  # as above
from core.db.worker_tables import ComputeUse as ComputeUse  # a table like the others
from core.db.worker_tables import Worker as Worker  # as above


class Owner(Base):
    """Whose things they are; `own_local` in the embedded mode.

    `served_at`: when a worker last took a job of theirs; who was served longest ago comes next.
    """

    __tablename__ = "owners"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime]
    served_at: Mapped[datetime | None]


class ApiKey(Base):
    """A bearer key: its id and the hash of its secret, never the secret."""

    __tablename__ = "api_keys"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    owner_id: Mapped[str] = owner()
    name: Mapped[str] = mapped_column(String(200))
    secret_sha256: Mapped[str] = mapped_column(SHA256)
    scopes: Mapped[list[Any]]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class Blob(Base):
    """Stored bytes of one owner, known by their hash; the same bytes twice are one blob.

    `staging`: written, and named by nothing yet. `ready`: named by a row since its transaction. `renewed_at`: when it
    was last written or named; what no row names is swept a day after that.
    """

    __tablename__ = "blobs"
    owner_id: Mapped[str] = mapped_column(ID, ForeignKey("owners.id"), primary_key=True)
    sha256: Mapped[str] = mapped_column(SHA256, primary_key=True)
    size_bytes: Mapped[int] = mapped_column(BigId)
    state: Mapped[str] = mapped_column(String(16))
    renewed_at: Mapped[datetime]


class BlobChunk(Base):
    """One mebibyte of a blob, where the database is the blob store; uploads under way have a name of their own."""

    __tablename__ = "blob_chunks"
    owner_id: Mapped[str] = mapped_column(ID, primary_key=True)
    blob: Mapped[str] = mapped_column(SHA256, primary_key=True)
    n: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    data: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(index=True)


class File(Base):
    """An upload, or a result, that an owner can fetch."""

    __tablename__ = "files"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    owner_id: Mapped[str] = owner()
    blob_sha256: Mapped[str] = mapped_column(SHA256, index=True)
    size_bytes: Mapped[int] = mapped_column(BigId)
    media_type: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None] = mapped_column(index=True)


class Subject(Base):
    """Somebody with an album. `consent` says who agreed, when, and to what."""

    __tablename__ = "subjects"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    owner_id: Mapped[str] = owner()
    name: Mapped[str] = mapped_column(String(200))
    category: Mapped[str] = mapped_column(String(16))
    consent: Mapped[dict[str, Any] | None]
    default_checkpoint_id: Mapped[str | None] = mapped_column(ID)
    album_report: Mapped[dict[str, Any] | None]
    """Of the last look at the album: sureness, coverage, advice."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]


class AlbumPhoto(Base):
    """One photo of a subject's album, and what became of it.

    `insisted`: its owner wants it although curation left it out. Thumbnail (at most 16 kB) and embedding (128 float32
    of the person's face: biometric) are kept in the row, because they are to be gone with it in the same moment; a blob
    is swept up to a day later. Queries of the album do not load them.
    """

    __tablename__ = "album_photos"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    owner_id: Mapped[str] = owner()
    subject_id: Mapped[str] = mapped_column(ID, ForeignKey("subjects.id", ondelete="CASCADE"), index=True)
    blob_sha256: Mapped[str] = mapped_column(SHA256, index=True)
    size_bytes: Mapped[int] = mapped_column(BigId)
    label: Mapped[str] = mapped_column(String(255))
    include: Mapped[bool] = mapped_column(Boolean, default=True)
    status: Mapped[str] = mapped_column(String(16))
    code: Mapped[str] = mapped_column(String(64), default="")
    reason: Mapped[str] = mapped_column(Text, default="")
    insisted: Mapped[bool] = flag()
    held_out: Mapped[bool] = flag()
    duplicate_of: Mapped[str | None] = mapped_column(ID)
    sureness: Mapped[float | None] = mapped_column(Float)
    clear_pixels: Mapped[float | None] = mapped_column(Float)
    view: Mapped[str] = word()
    tilt: Mapped[str] = word()
    light: Mapped[str] = word()
    expression: Mapped[str] = word()
    thumbnail: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    has_thumbnail: Mapped[bool] = column_property(thumbnail.is_not(None))
    embedding: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    created_at: Mapped[datetime]


class Checkpoint(Base):
    """A subject checkpoint; its row is there from the moment its job is, so that it has an id to wait for.

    `identity` is the hash of everything that decides its weights: an identical request gives the same row.
    """

    __tablename__ = "checkpoints"
    __table_args__ = (
        Index("uq_checkpoints_identity", "owner_id", "subject_id", "identity", unique=True),
        Index("ix_checkpoints_expires_at", "expires_at"),
    )
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    owner_id: Mapped[str] = owner()
    subject_id: Mapped[str] = mapped_column(ID, ForeignKey("subjects.id", ondelete="CASCADE"), index=True)
    job_id: Mapped[str | None] = mapped_column(ID)
    status: Mapped[str] = mapped_column(String(16))
    identity: Mapped[str] = mapped_column(SHA256)
    prior_name: Mapped[str] = mapped_column(String(200))
    prior_sha256: Mapped[str] = mapped_column(SHA256)
    recipe: Mapped[dict[str, Any]]
    recipe_digest: Mapped[str] = mapped_column(SHA256)
    seed: Mapped[int] = mapped_column(BigId)
    album_sha256: Mapped[str] = mapped_column(SHA256)
    blob_sha256: Mapped[str | None] = mapped_column(SHA256, index=True)
    size_bytes: Mapped[int | None] = mapped_column(BigId)
    step: Mapped[int | None] = mapped_column(Integer)
    scores: Mapped[dict[str, Any]]
    pinned: Mapped[bool] = mapped_column(Boolean, default=False)
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]


class Job(Base):
    """One piece of work: the queue itself."""

    __tablename__ = "jobs"
    __table_args__ = (
        index("ix_jobs_queue", text("priority DESC"), "id", where="status = 'queued'"),
        index("ix_jobs_turn", "owner_id", text("priority DESC"), "id", where="status = 'queued'"),
        index("ix_jobs_batch_key", "batch_key", where="status = 'queued'"),
        index("ix_jobs_running", "lease_until", where="status = 'running'"),
        index("ix_jobs_open", "owner_id", where="finished_at IS NULL"),
        index("ix_jobs_timings", "recipe_digest", "kind", "finished_at", where="status = 'succeeded'"),
        Index("ix_jobs_owner_id_id", "owner_id", "id"),
        Index("ix_jobs_waits_for_job_id", "waits_for_job_id"),
    )
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    owner_id: Mapped[str] = mapped_column(ID, ForeignKey("owners.id"))
    kind: Mapped[str] = mapped_column(String(16))
    status: Mapped[str] = mapped_column(String(16))
    stage: Mapped[str | None] = mapped_column(String(16))
    priority: Mapped[int] = mapped_column(Integer, default=0)
    subject_id: Mapped[str | None] = mapped_column(ID, index=True)
    checkpoint_id: Mapped[str | None] = mapped_column(ID)
    restoration_id: Mapped[str | None] = mapped_column(ID)
    waits_for_job_id: Mapped[str | None] = mapped_column(ID)
    retry_of: Mapped[str | None] = mapped_column(ID)
    prior_name: Mapped[str] = mapped_column(String(200))
    prior_sha256: Mapped[str] = mapped_column(SHA256)
    recipe: Mapped[dict[str, Any]]
    recipe_digest: Mapped[str] = mapped_column(SHA256)
    seed: Mapped[int] = mapped_column(BigId)
    options: Mapped[dict[str, Any]]
    batch_key: Mapped[str | None] = mapped_column(SHA256)
    cost_forwards: Mapped[int] = mapped_column(BigId, default=0)
    attempt: Mapped[int] = mapped_column(Integer, default=0)
    crashes: Mapped[int] = mapped_column(Integer, default=0)
    faults: Mapped[int] = mapped_column(Integer, default=0)
    run_after: Mapped[datetime | None]
    start_by: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]
    worker_id: Mapped[str | None] = mapped_column(ID)
    cancel_requested: Mapped[bool] = mapped_column(Boolean, default=False)
    progress_done: Mapped[int] = mapped_column(Integer, default=0)
    progress_total: Mapped[int] = mapped_column(Integer, default=0)
    error: Mapped[dict[str, Any] | None]
    metrics: Mapped[dict[str, Any]]
    warnings: Mapped[list[Any]]
    run_seconds: Mapped[float | None] = mapped_column(Float)
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None] = mapped_column(index=True)


class JobEventRow(Base):
    """A job's timeline, as people see it; the number is what Last-Event-ID names."""

    __tablename__ = "job_events"
    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    job_id: Mapped[str] = mapped_column(ID, ForeignKey("jobs.id", ondelete="CASCADE"), index=True)
    owner_id: Mapped[str] = mapped_column(ID)
    at: Mapped[datetime]
    type: Mapped[str] = mapped_column(String(32))
    attempt: Mapped[int] = mapped_column(Integer)
    data: Mapped[dict[str, Any]]


class StageOutput(Base):
    """What a stage made for a job: found again by the hash of everything that decides it."""

    __tablename__ = "stage_outputs"
    job_id: Mapped[str] = mapped_column(ID, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    stage: Mapped[str] = mapped_column(String(32), primary_key=True)
    item: Mapped[str] = mapped_column(String(64), primary_key=True)
    input_hash: Mapped[str] = mapped_column(SHA256, primary_key=True)
    owner_id: Mapped[str] = mapped_column(ID)
    blob_sha256: Mapped[str] = mapped_column(SHA256, index=True)
    size_bytes: Mapped[int] = mapped_column(BigId)
    attempt: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime]


class Restoration(Base):
    """One photo's restoration: what was asked, and what came of it face by face."""

    __tablename__ = "restorations"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    owner_id: Mapped[str] = owner()
    job_id: Mapped[str] = mapped_column(ID, index=True)
    file_id: Mapped[str | None] = mapped_column(ID, index=True)
    input_sha256: Mapped[str] = mapped_column(SHA256)
    subject_id: Mapped[str | None] = mapped_column(ID, index=True)
    checkpoint_id: Mapped[str | None] = mapped_column(ID, index=True)
    mode: Mapped[str] = mapped_column(String(16))
    candidates: Mapped[int] = mapped_column(Integer)
    output: Mapped[dict[str, Any]]
    faces: Mapped[list[Any]]
    """One entry a face, made by `core.services.face_entries`."""
    image_sha256: Mapped[str | None] = mapped_column(SHA256)
    """The whole photo with the selected faces in it; none where nothing was made of it."""
    image_size_bytes: Mapped[int | None] = mapped_column(BigId)
    image_media_type: Mapped[str | None] = mapped_column(String(64))
    width: Mapped[int | None] = mapped_column(Integer)
    height: Mapped[int | None] = mapped_column(Integer)
    batch_id: Mapped[str | None] = mapped_column(ID, index=True)
    batch_place: Mapped[int | None] = mapped_column(Integer)
    """Among the photos of its batch."""
    label: Mapped[str | None] = mapped_column(String(255))
    """What the photo of a batch is called, for its archive; the file may be gone by then."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None] = mapped_column(index=True)


class Batch(Base):
    """Restorations that were asked for together."""

    __tablename__ = "batches"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    owner_id: Mapped[str] = owner()
    photos: Mapped[int] = mapped_column(Integer)
    """As many were taken; some may have been deleted since."""
    rejected: Mapped[list[Any]]
    """What came along and is no photo: {label, code, detail, advice} each."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None] = mapped_column(index=True)


class RestorationCheckpoint(Base):
    """Whose checkpoint a restoration is, or was, made with; a group photo's has several.

    With the subject everything goes that was made with it. Of faces that nobody named (`auto`) a row says who was
    recognised, once that is known.
    """

    __tablename__ = "restoration_checkpoints"
    restoration_id: Mapped[str] = mapped_column(ID, ForeignKey("restorations.id", ondelete="CASCADE"), primary_key=True)
    checkpoint_id: Mapped[str] = mapped_column(ID, primary_key=True, index=True)
    subject_id: Mapped[str] = mapped_column(ID, index=True)
    owner_id: Mapped[str] = mapped_column(ID)


class CandidateRow(Base):
    """One restored face among several; `number` is its place by score, best first.

    `native` is the prior's own output, from which the photo is put together anew when another one is selected.
    """

    __tablename__ = "candidates"
    restoration_id: Mapped[str] = mapped_column(ID, ForeignKey("restorations.id", ondelete="CASCADE"), primary_key=True)
    face: Mapped[int] = mapped_column(Integer, primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    owner_id: Mapped[str] = mapped_column(ID)
    blob_sha256: Mapped[str] = mapped_column(SHA256, index=True)
    size_bytes: Mapped[int] = mapped_column(BigId)
    media_type: Mapped[str] = mapped_column(String(64))
    width: Mapped[int] = mapped_column(Integer)
    height: Mapped[int] = mapped_column(Integer)
    scores: Mapped[dict[str, Any]]
    native_sha256: Mapped[str | None] = mapped_column(SHA256)
    native_size_bytes: Mapped[int | None] = mapped_column(BigId)


class IdempotencyKey(Base):
    """A POST's answer, kept for its repetition: `status_code` is empty while the first call is in flight."""

    __tablename__ = "idempotency_keys"
    owner_id: Mapped[str] = mapped_column(ID, ForeignKey("owners.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    request_sha256: Mapped[str] = mapped_column(SHA256)
    status_code: Mapped[int | None] = mapped_column(Integer)
    headers: Mapped[dict[str, Any]]
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)

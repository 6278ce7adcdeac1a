"""The queue and its workers, and what comes out of it."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_ID = sa.String(32)
_SHA256 = sa.String(64)
_INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(27), "sqlite")
_JSON = sa.JSON().with_variant(JSONB(), "postgresql")
_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TABLES = ("jobs", "job_events", "stage_outputs", "restorations", "candidates", "workers", "outbox")


def _where(condition: str) -> dict[str, Any]:
    return {"postgresql_where": sa.text(condition), "sqlite_where": sa.text(condition)}


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "jobs",
        sa.Column("id", _ID, nullable=False),
        sa.Column("owner_id", _ID, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("stage", sa.String(16)),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("subject_id", _ID),
        sa.Column("checkpoint_id", _ID),
        sa.Column("restoration_id", _ID),
        sa.Column("waits_for_job_id", _ID),
        sa.Column("retry_of", _ID),
        sa.Column("prior_name", sa.String(200), nullable=False),
        sa.Column("prior_sha256", _SHA256, nullable=False),
        sa.Column("recipe", _JSON, nullable=False),
        sa.Column("recipe_digest", _SHA256, nullable=False),
        sa.Column("seed", _BIG, nullable=False),
        sa.Column("options", _JSON, nullable=False),
        sa.Column("batch_key", _SHA256),
        sa.Column("cost_forwards", _BIG, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("crashes", sa.Integer(), nullable=False),
        sa.Column("faults", sa.Integer(), nullable=False),
        sa.Column("run_after", _INSTANT),
        sa.Column("start_by", _INSTANT),
        sa.Column("lease_until", _INSTANT),
        sa.Column("worker_id", _ID),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("progress_done", sa.Integer(), nullable=False),
        sa.Column("progress_total", sa.Integer(), nullable=False),
        sa.Column("error", _JSON),
        sa.Column("metrics", _JSON, nullable=False),
        sa.Column("warnings", _JSON, nullable=False),
        sa.Column("run_seconds", sa.Float()),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("started_at", _INSTANT),
        sa.Column("finished_at", _INSTANT),
        sa.Column("expires_at", _INSTANT),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.id"], name="fk_jobs_owner_id_owners"),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
    )
    op.create_index("ix_jobs_batch_key", "jobs", ["batch_key"], **_where("status = 'queued'"))
    op.create_index("ix_jobs_expires_at", "jobs", ["expires_at"])
    op.create_index("ix_jobs_open", "jobs", ["owner_id"], **_where("finished_at IS NULL"))
    op.create_index("ix_jobs_owner_id_id", "jobs", ["owner_id", "id"])
    op.create_index("ix_jobs_queue", "jobs", [sa.text("priority DESC"), "id"], **_where("status = 'queued'"))
    op.create_index("ix_jobs_running", "jobs", ["lease_until"], **_where("status = 'running'"))
    op.create_index("ix_jobs_subject_id", "jobs", ["subject_id"])
    op.create_index(
        "ix_jobs_timings", "jobs", ["recipe_digest", "kind", "finished_at"], **_where("status = 'succeeded'")
    )
    op.create_index("ix_jobs_waits_for_job_id", "jobs", ["waits_for_job_id"])
    op.create_table(
        "job_events",
        sa.Column("id", _BIG, autoincrement=True, nullable=False),
        sa.Column("job_id", _ID, nullable=False),
        sa.Column("owner_id", _ID, nullable=False),
        sa.Column("at", _INSTANT, nullable=False),
        sa.Column("type", sa.String(32), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("data", _JSON, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_job_events_job_id_jobs", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_job_events"),
    )
    op.create_index("ix_job_events_job_id", "job_events", ["job_id"])
    op.create_table(
        "stage_outputs",
        sa.Column("job_id", _ID, nullable=False),
        sa.Column("stage", sa.String(32), nullable=False),
        sa.Column("item", sa.String(64), nullable=False),
        sa.Column("input_hash", _SHA256, nullable=False),
        sa.Column("owner_id", _ID, nullable=False),
        sa.Column("blob_sha256", _SHA256, nullable=False),
        sa.Column("size_bytes", _BIG, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_stage_outputs_job_id_jobs", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "stage", "item", "input_hash", name="pk_stage_outputs"),
    )
    op.create_index("ix_stage_outputs_blob_sha256", "stage_outputs", ["blob_sha256"])
    op.create_table(
        "restorations",
        sa.Column("id", _ID, nullable=False),
        sa.Column("owner_id", _ID, nullable=False),
        sa.Column("job_id", _ID, nullable=False),
        sa.Column("file_id", _ID),
        sa.Column("input_sha256", _SHA256, nullable=False),
        sa.Column("subject_id", _ID),
        sa.Column("checkpoint_id", _ID),
        sa.Column("mode", sa.String(16), nullable=False),
        sa.Column("candidates", sa.Integer(), nullable=False),
        sa.Column("output", _JSON, nullable=False),
        sa.Column("faces", _JSON, nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("expires_at", _INSTANT),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.id"], name="fk_restorations_owner_id_owners"),
        sa.PrimaryKeyConstraint("id", name="pk_restorations"),
    )
    op.create_index("ix_restorations_checkpoint_id", "restorations", ["checkpoint_id"])
    op.create_index("ix_restorations_expires_at", "restorations", ["expires_at"])
    op.create_index("ix_restorations_file_id", "restorations", ["file_id"])
    op.create_index("ix_restorations_job_id", "restorations", ["job_id"])
    op.create_index("ix_restorations_owner_id", "restorations", ["owner_id"])
    op.create_index("ix_restorations_subject_id", "restorations", ["subject_id"])
    op.create_table(
        "candidates",
        sa.Column("restoration_id", _ID, nullable=False),
        sa.Column("face", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("owner_id", _ID, nullable=False),
        sa.Column("blob_sha256", _SHA256, nullable=False),
        sa.Column("size_bytes", _BIG, nullable=False),
        sa.Column("media_type", sa.String(64), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("scores", _JSON, nullable=False),
        sa.ForeignKeyConstraint(
            ["restoration_id"],
            ["restorations.id"],
            name="fk_candidates_restoration_id_restorations",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("restoration_id", "face", "number", name="pk_candidates"),
    )
    op.create_index("ix_candidates_blob_sha256", "candidates", ["blob_sha256"])
    op.create_table(
        "workers",
        sa.Column("id", _ID, nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("device", sa.String(200), nullable=False),
        sa.Column("precision", sa.String(16), nullable=False),
        sa.Column("priors", _JSON, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("job_ids", _JSON, nullable=False),
        sa.Column("metrics", _JSON, nullable=False),
        sa.Column("started_at", _INSTANT, nullable=False),
        sa.Column("last_seen_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_workers"),
    )
    op.create_index("ix_workers_last_seen_at", "workers", ["last_seen_at"])
    op.create_table(
        "outbox",
        sa.Column("id", _BIG, autoincrement=True, nullable=False),
        sa.Column("owner_id", _ID, nullable=False),
        sa.Column("type", sa.String(64), nullable=False),
        sa.Column("payload", _JSON, nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("sent_at", _INSTANT),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.id"], name="fk_outbox_owner_id_owners"),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
    )


def downgrade() -> None:
    """Drop the tables, and what is in them."""
    for table in reversed(_TABLES):
        op.drop_table(table)

"""Whose turn it is, what was computed for whom, and which worker's station is to blame."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_ID = sa.String(32)
_INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(27), "sqlite")
_JSON = sa.JSON().with_variant(JSONB(), "postgresql")
_QUEUED = sa.text("status = 'queued'")
_OF_WORKERS = (
    ("succeeded_at", _INSTANT),
    ("died_at", _INSTANT),
    ("lost_job_ids", _JSON),
    ("set_aside_until", _INSTANT),
)


def upgrade() -> None:
    """Add what may be absent: a worker of the version before has no station, and is blamed for nothing."""
    op.add_column("owners", sa.Column("served_at", _INSTANT))
    op.create_index(
        "ix_jobs_turn",
        "jobs",
        ["owner_id", sa.text("priority DESC"), "id"],
        postgresql_where=_QUEUED,
        sqlite_where=_QUEUED,
    )
    op.add_column("workers", sa.Column("station", sa.String(200), nullable=False, server_default=sa.text("''")))
    for name, kind in _OF_WORKERS:
        op.add_column("workers", sa.Column(name, kind))
    op.create_index("ix_workers_station", "workers", ["station"])
    op.create_table(
        "compute_use",
        sa.Column("owner_id", _ID, nullable=False),
        sa.Column("day", sa.String(10), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.id"], name="fk_compute_use_owner_id_owners"),
        sa.PrimaryKeyConstraint("owner_id", "day", name="pk_compute_use"),
    )


def downgrade() -> None:
    """Take them away."""
    op.drop_table("compute_use")
    op.drop_index("ix_workers_station", "workers")
    for name in ("set_aside_until", "lost_job_ids", "died_at", "succeeded_at", "station"):
        op.drop_column("workers", name)
    op.drop_index("ix_jobs_turn", "jobs")
    op.drop_column("owners", "served_at")

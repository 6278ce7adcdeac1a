"""Batches: restorations that were asked for together."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_ID = sa.String(32)
_INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(27), "sqlite")
_JSON = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    """Make the table, and name a restoration's batch where it has one."""
    op.create_table(
        "batches",
        sa.Column("id", _ID, nullable=False),
        sa.Column("owner_id", _ID, nullable=False),
        sa.Column("photos", sa.Integer(), nullable=False),
        sa.Column("rejected", _JSON, nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("expires_at", _INSTANT),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.id"], name="fk_batches_owner_id_owners"),
        sa.PrimaryKeyConstraint("id", name="pk_batches"),
    )
    op.create_index("ix_batches_owner_id", "batches", ["owner_id"])
    op.create_index("ix_batches_expires_at", "batches", ["expires_at"])
    op.add_column("restorations", sa.Column("batch_id", _ID))
    op.add_column("restorations", sa.Column("batch_place", sa.Integer()))
    op.add_column("restorations", sa.Column("label", sa.String(255)))
    op.create_index("ix_restorations_batch_id", "restorations", ["batch_id"])


def downgrade() -> None:
    """Take them away."""
    op.drop_index("ix_restorations_batch_id", "restorations")
    for name in ("label", "batch_place", "batch_id"):
        op.drop_column("restorations", name)
    op.drop_table("batches")

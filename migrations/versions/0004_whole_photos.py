"""Whole photos: the photo itself, the prior's own outputs, and whose checkpoints were used."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_ID = sa.String(32)
_SHA256 = sa.String(64)
_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_LINKS = "restoration_checkpoints"


def upgrade() -> None:
    """Add what may be absent: rows of before have none of it."""
    op.add_column("restorations", sa.Column("image_sha256", _SHA256))
    op.add_column("restorations", sa.Column("image_size_bytes", _BIG))
    op.add_column("restorations", sa.Column("image_media_type", sa.String(64)))
    op.add_column("restorations", sa.Column("width", sa.Integer()))
    op.add_column("restorations", sa.Column("height", sa.Integer()))
    op.add_column("candidates", sa.Column("native_sha256", _SHA256))
    op.add_column("candidates", sa.Column("native_size_bytes", _BIG))
    op.create_table(
        _LINKS,
        sa.Column("restoration_id", _ID, nullable=False),
        sa.Column("checkpoint_id", _ID, nullable=False),
        sa.Column("subject_id", _ID, nullable=False),
        sa.Column("owner_id", _ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["restoration_id"],
            ["restorations.id"],
            name="fk_restoration_checkpoints_restoration_id_restorations",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("restoration_id", "checkpoint_id", name="pk_restoration_checkpoints"),
    )
    op.create_index("ix_restoration_checkpoints_checkpoint_id", _LINKS, ["checkpoint_id"])
    op.create_index("ix_restoration_checkpoints_subject_id", _LINKS, ["subject_id"])
    op.execute(
        "INSERT INTO restoration_checkpoints (restoration_id, checkpoint_id, subject_id, owner_id)"
        " SELECT id, checkpoint_id, subject_id, owner_id FROM restorations"
        " WHERE checkpoint_id IS NOT NULL AND subject_id IS NOT NULL"
    )
    # Keys of before do not tell formats apart, and a batch is written in one. Ended jobs' keys would come again with
    # a retry.
    op.execute("UPDATE jobs SET batch_key = NULL WHERE kind = 'restoration' AND batch_key IS NOT NULL")


def downgrade() -> None:
    """Forget it."""
    op.drop_table(_LINKS)
    for column in ("native_size_bytes", "native_sha256"):
        op.drop_column("candidates", column)
    for column in ("height", "width", "image_media_type", "image_size_bytes", "image_sha256"):
        op.drop_column("restorations", column)

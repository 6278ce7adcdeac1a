"""Owners and their keys, files and blobs, subjects with their albums and checkpoints.

Types are written out here and not taken from `core.db.tables`: a revision says what it did then, whatever comes later.
"""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ID = sa.String(32)
_SHA256 = sa.String(64)
_INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(27), "sqlite")
_JSON = sa.JSON().with_variant(JSONB(), "postgresql")
_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_LOCAL_OWNER = "own_local"
_TABLES = (
    "owners",
    "api_keys",
    "idempotency_keys",
    "blobs",
    "blob_chunks",
    "files",
    "subjects",
    "album_photos",
    "checkpoints",
)


def upgrade() -> None:
    """Make the tables, and the owner of the embedded mode without keys."""
    op.create_table(
        "owners",
        sa.Column("id", _ID, nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_owners"),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", _ID, nullable=False),
        sa.Column("owner_id", _ID, nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("secret_sha256", _SHA256, nullable=False),
        sa.Column("scopes", _JSON, nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("expires_at", _INSTANT),
        sa.Column("revoked_at", _INSTANT),
        sa.Column("last_used_at", _INSTANT),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.id"], name="fk_api_keys_owner_id_owners"),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
    )
    op.create_index("ix_api_keys_owner_id", "api_keys", ["owner_id"])
    op.create_table(
        "idempotency_keys",
        sa.Column("owner_id", _ID, nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("request_sha256", _SHA256, nullable=False),
        sa.Column("status_code", sa.Integer()),
        sa.Column("headers", _JSON, nullable=False),
        sa.Column("body", sa.LargeBinary()),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("expires_at", _INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.id"], name="fk_idempotency_keys_owner_id_owners"),
        sa.PrimaryKeyConstraint("owner_id", "key", name="pk_idempotency_keys"),
    )
    op.create_index("ix_idempotency_keys_expires_at", "idempotency_keys", ["expires_at"])
    op.create_table(
        "blobs",
        sa.Column("owner_id", _ID, nullable=False),
        sa.Column("sha256", _SHA256, nullable=False),
        sa.Column("size_bytes", _BIG, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("renewed_at", _INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.id"], name="fk_blobs_owner_id_owners"),
        sa.PrimaryKeyConstraint("owner_id", "sha256", name="pk_blobs"),
    )
    op.create_table(
        "blob_chunks",
        sa.Column("owner_id", _ID, nullable=False),
        sa.Column("blob", _SHA256, nullable=False),
        sa.Column("n", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("owner_id", "blob", "n", name="pk_blob_chunks"),
    )
    op.create_index("ix_blob_chunks_created_at", "blob_chunks", ["created_at"])
    op.create_table(
        "files",
        sa.Column("id", _ID, nullable=False),
        sa.Column("owner_id", _ID, nullable=False),
        sa.Column("blob_sha256", _SHA256, nullable=False),
        sa.Column("size_bytes", _BIG, nullable=False),
        sa.Column("media_type", sa.String(64), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("expires_at", _INSTANT),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.id"], name="fk_files_owner_id_owners"),
        sa.PrimaryKeyConstraint("id", name="pk_files"),
    )
    op.create_index("ix_files_blob_sha256", "files", ["blob_sha256"])
    op.create_index("ix_files_expires_at", "files", ["expires_at"])
    op.create_index("ix_files_owner_id", "files", ["owner_id"])
    op.create_table(
        "subjects",
        sa.Column("id", _ID, nullable=False),
        sa.Column("owner_id", _ID, nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("category", sa.String(16), nullable=False),
        sa.Column("consent", _JSON),
        sa.Column("default_checkpoint_id", _ID),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("updated_at", _INSTANT, nullable=False),
        sa.Column("deleted_at", _INSTANT),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.id"], name="fk_subjects_owner_id_owners"),
        sa.PrimaryKeyConstraint("id", name="pk_subjects"),
    )
    op.create_index("ix_subjects_owner_id", "subjects", ["owner_id"])
    op.create_table(
        "album_photos",
        sa.Column("id", _ID, nullable=False),
        sa.Column("owner_id", _ID, nullable=False),
        sa.Column("subject_id", _ID, nullable=False),
        sa.Column("blob_sha256", _SHA256, nullable=False),
        sa.Column("size_bytes", _BIG, nullable=False),
        sa.Column("label", sa.String(255), nullable=False),
        sa.Column("include", sa.Boolean(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("code", sa.String(64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.id"], name="fk_album_photos_owner_id_owners"),
        sa.ForeignKeyConstraint(
            ["subject_id"], ["subjects.id"], name="fk_album_photos_subject_id_subjects", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_album_photos"),
    )
    op.create_index("ix_album_photos_blob_sha256", "album_photos", ["blob_sha256"])
    op.create_index("ix_album_photos_owner_id", "album_photos", ["owner_id"])
    op.create_index("ix_album_photos_subject_id", "album_photos", ["subject_id"])
    op.create_table(
        "checkpoints",
        sa.Column("id", _ID, nullable=False),
        sa.Column("owner_id", _ID, nullable=False),
        sa.Column("subject_id", _ID, nullable=False),
        sa.Column("job_id", _ID),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("identity", _SHA256, nullable=False),
        sa.Column("prior_name", sa.String(200), nullable=False),
        sa.Column("prior_sha256", _SHA256, nullable=False),
        sa.Column("recipe", _JSON, nullable=False),
        sa.Column("recipe_digest", _SHA256, nullable=False),
        sa.Column("seed", _BIG, nullable=False),
        sa.Column("album_sha256", _SHA256, nullable=False),
        sa.Column("blob_sha256", _SHA256),
        sa.Column("size_bytes", _BIG),
        sa.Column("step", sa.Integer()),
        sa.Column("scores", _JSON, nullable=False),
        sa.Column("pinned", sa.Boolean(), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("last_used_at", _INSTANT),
        sa.Column("expires_at", _INSTANT),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.id"], name="fk_checkpoints_owner_id_owners"),
        sa.ForeignKeyConstraint(
            ["subject_id"], ["subjects.id"], name="fk_checkpoints_subject_id_subjects", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_checkpoints"),
    )
    op.create_index("ix_checkpoints_blob_sha256", "checkpoints", ["blob_sha256"])
    op.create_index("ix_checkpoints_expires_at", "checkpoints", ["expires_at"])
    op.create_index("ix_checkpoints_owner_id", "checkpoints", ["owner_id"])
    op.create_index("ix_checkpoints_subject_id", "checkpoints", ["subject_id"])
    op.create_index("uq_checkpoints_identity", "checkpoints", ["owner_id", "subject_id", "identity"], unique=True)
    if op.get_bind().dialect.name == "postgresql":
        # Pictures and weights do not get smaller: kept out of line as they are, they cost no compression.
        op.execute("ALTER TABLE blob_chunks ALTER COLUMN data SET STORAGE EXTERNAL")
    _make_local_owner()


def _make_local_owner() -> None:
    now = datetime.now(UTC)
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    moment = now.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if on_sqlite else now
    owners = sa.table("owners", sa.column("id"), sa.column("name"), sa.column("created_at"))
    op.execute(owners.insert().values(id=_LOCAL_OWNER, name="local", created_at=moment))


def downgrade() -> None:
    """Drop the tables, and what is in them."""
    for table in reversed(_TABLES):
        op.drop_table(table)

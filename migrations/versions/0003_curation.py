"""What curation says of every album photo, and of the album.

Nothing that was there changes, and what is new has a default: the version before goes on with these tables.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_ID = sa.String(32)
_JSON = sa.JSON().with_variant(JSONB(), "postgresql")
_WORDS = ("view", "tilt", "light", "expression")


def upgrade() -> None:
    """Add the columns."""
    no, nothing = sa.text("false"), sa.text("''")
    op.add_column("album_photos", sa.Column("insisted", sa.Boolean(), nullable=False, server_default=no))
    op.add_column("album_photos", sa.Column("held_out", sa.Boolean(), nullable=False, server_default=no))
    op.add_column("album_photos", sa.Column("duplicate_of", _ID))
    op.add_column("album_photos", sa.Column("sureness", sa.Float()))
    op.add_column("album_photos", sa.Column("clear_pixels", sa.Float()))
    for name in _WORDS:
        op.add_column("album_photos", sa.Column(name, sa.String(16), nullable=False, server_default=nothing))
    op.add_column("album_photos", sa.Column("thumbnail", sa.LargeBinary()))
    op.add_column("album_photos", sa.Column("embedding", sa.LargeBinary()))
    op.add_column("subjects", sa.Column("album_report", _JSON))
    if op.get_bind().dialect.name == "postgresql":
        # JPEGs do not get smaller: kept out of line as they are, they cost no compression and no listing.
        op.execute("ALTER TABLE album_photos ALTER COLUMN thumbnail SET STORAGE EXTERNAL")


def downgrade() -> None:
    """Drop the columns, and what is in them."""
    op.drop_column("subjects", "album_report")
    for name in ("embedding", "thumbnail", *reversed(_WORDS)):
        op.drop_column("album_photos", name)
    for name in ("clear_pixels", "sureness", "duplicate_of", "held_out", "insisted"):
        op.drop_column("album_photos", name)

"""Files."""

from typing import Self

from pydantic import Field

from api.schemas.members import Answered, Instant, Sent
from core.db.tables import File


class FileForm(Sent):
    """The fields beside the file: there are none."""


class FileLinks(Answered):
    """Where to go on."""

    self: str
    content: str


class FileOut(Answered):
    """An upload."""

    id: str
    name: str
    media_type: str = Field(description="By its first bytes.")
    size_bytes: int
    sha256: str
    created_at: Instant
    expires_at: Instant | None = Field(
        description="Gone then, and deleted with the last restoration of it, for another selection needs the photo; "
        "null: only then, for it came along with one."
    )
    links: FileLinks

    @classmethod
    def of(cls, file: File) -> Self:
        """A row as it is shown."""
        path = f"/v1/files/{file.id}"
        return cls(
            id=file.id,
            name=file.name,
            media_type=file.media_type,
            size_bytes=file.size_bytes,
            sha256=file.blob_sha256,
            created_at=file.created_at,
            expires_at=file.expires_at,
            links=FileLinks(self=path, content=f"{path}/content"),
        )

"""Albums."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Self

from pydantic import Field, StrictBool, field_validator

from api.schemas.members import PLAIN, Answered, FileId, Instant, Label, Seed, Sent
from core.db.tables import AlbumPhoto
from core.domain.subject import PhotoStatus
from core.services.albums import AlbumOrder
from core.services.offer import Dials


class AlbumForm(Sent):
    """What is to be done with the photos, beside the files."""

    tune: Annotated[
        StrictBool, Field(json_schema_extra=PLAIN, description="Make a checkpoint; otherwise only look at them.")
    ] = True
    recipe: Annotated[Label | None, Field(description="A personal recipe's name.")] = None
    seed: Annotated[Seed, Field(json_schema_extra=PLAIN)] = 0

    def order(self) -> AlbumOrder:
        """For the use case."""
        return AlbumOrder(tune=self.tune, dials=Dials(recipe=self.recipe), seed=self.seed)


class AlbumIn(AlbumForm):
    """An album of files that were uploaded before: photos, or one zip."""

    file_ids: Annotated[list[FileId], Field(min_length=1, max_length=2_000, json_schema_extra={"uniqueItems": True})]

    @field_validator("file_ids")
    @classmethod
    def _once_each(cls, file_ids: list[str]) -> list[str]:
        if len(set(file_ids)) < len(file_ids):
            raise ValueError("a file is named twice")
        return file_ids

    def order(self) -> AlbumOrder:
        """For the use case."""
        return replace(super().order(), file_ids=tuple(self.file_ids))


class AlbumPhotoChange(Sent):
    """Whether a photo takes part."""

    include: StrictBool


class AlbumPhotoOut(Answered):
    """One photo of an album."""

    id: str
    label: str
    include: bool = Field(description="Whether its owner wants it in the album.")
    status: PhotoStatus = Field(description="Pending until the album's job has looked at it.")
    code: str = Field(description="Why it was left out, for programs; empty otherwise.")
    reason: str = Field(description="The same for people.")
    size_bytes: int
    sha256: str
    created_at: Instant

    @classmethod
    def of(cls, photo: AlbumPhoto) -> Self:
        """A row as it is shown."""
        return cls(
            id=photo.id,
            label=photo.label,
            include=photo.include,
            status=PhotoStatus(photo.status),
            code=photo.code,
            reason=photo.reason,
            size_bytes=photo.size_bytes,
            sha256=photo.blob_sha256,
            created_at=photo.created_at,
        )


class AlbumOut(Answered):
    """The album report."""

    subject_id: str
    kept: int
    left_out: int
    pending: int
    photos: list[AlbumPhotoOut]

    @classmethod
    def of(cls, subject_id: str, photos: Sequence[AlbumPhoto]) -> Self:
        """Rows as they are shown."""
        statuses = [photo.status for photo in photos]
        return cls(
            subject_id=subject_id,
            kept=statuses.count(PhotoStatus.KEPT),
            left_out=statuses.count(PhotoStatus.LEFT_OUT),
            pending=statuses.count(PhotoStatus.PENDING),
            photos=[AlbumPhotoOut.of(photo) for photo in photos],
        )

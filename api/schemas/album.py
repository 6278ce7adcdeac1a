"""Albums."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Self

from pydantic import Field, StrictBool, field_validator

from api.schemas.members import PLAIN, Answered, FileId, Instant, Label, Seed, Sent
from core.db.tables import AlbumPhoto, Subject
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


class AlbumPhotoLinks(Answered):
    """Where its pixels are."""

    image: str
    thumbnail: str | None = Field(description="None until it was looked at, or where it could not be opened.")


class AlbumPhotoOut(Answered):
    """One photo of an album."""

    id: str
    label: str
    include: bool = Field(description="Whether its owner wants it in the album.")
    status: PhotoStatus = Field(description="Pending until the album's job has looked at it.")
    code: str = Field(description="Why it was left out, for programs; empty otherwise.")
    reason: str = Field(description="The same for people; where a kept photo needs a word, that word.")
    insisted: bool = Field(description="Curation left it out, and its owner wants it all the same.")
    held_out: bool = Field(description="Kept from tuning, to score it.")
    duplicate_of: str | None = Field(description="The photo of the same moment that was kept instead.")
    sureness: float | None = Field(description="That it is the person: 1 as their usual photo, 0 as somebody else.")
    clear_pixels: int | None = Field(description="How many pixels of detail the face shows.")
    view: str = Field(description="front, left, right, left_profile or right_profile, as seen in the picture.")
    tilt: str = Field(description="level, up or down.")
    light: str = Field(description="even, dark, bright, from_the_left or from_the_right.")
    expression: str = Field(description="closed, smiling or open.")
    size_bytes: int
    sha256: str
    created_at: Instant
    links: AlbumPhotoLinks

    @classmethod
    def of(cls, photo: AlbumPhoto) -> Self:
        """A row as it is shown."""
        path = f"/v1/subjects/{photo.subject_id}/album/{photo.id}"
        return cls(
            id=photo.id,
            label=photo.label,
            include=photo.include,
            status=PhotoStatus(photo.status),
            code=photo.code,
            reason=photo.reason,
            insisted=photo.insisted,
            held_out=photo.held_out,
            duplicate_of=photo.duplicate_of,
            sureness=None if photo.sureness is None else round(photo.sureness, 2),
            clear_pixels=None if photo.clear_pixels is None else round(photo.clear_pixels),
            view=photo.view,
            tilt=photo.tilt,
            light=photo.light,
            expression=photo.expression,
            size_bytes=photo.size_bytes,
            sha256=photo.blob_sha256,
            created_at=photo.created_at,
            links=AlbumPhotoLinks(
                image=f"{path}/image", thumbnail=f"{path}/thumbnail" if photo.has_thumbnail else None
            ),
        )


class CoverageOut(Answered):
    """How many of the kept photos show what; kinds that none shows are absent."""

    views: dict[str, int]
    tilts: dict[str, int]
    lights: dict[str, int]
    expressions: dict[str, int]


class AdviceOut(Answered):
    """One thing that would make the album better."""

    code: str
    text: str


class AlbumOut(Answered):
    """The album report."""

    subject_id: str
    kept: int
    held_out: int = Field(description="Of those kept: they score the tuning, and are not tuned on.")
    left_out: int
    pending: int
    sureness: float | None = Field(
        description="How clear it is whose album this is, 0 … 1; like coverage and advice of the last look at it."
    )
    coverage: CoverageOut | None
    advice: list[AdviceOut] = Field(description="The most useful first.")
    photos: list[AlbumPhotoOut]

    @classmethod
    def of(cls, subject: Subject, photos: Sequence[AlbumPhoto]) -> Self:
        """Rows as they are shown."""
        statuses = [photo.status for photo in photos]
        looked = subject.album_report or {"sureness": None, "coverage": None, "advice": []}
        return cls(
            subject_id=subject.id,
            held_out=sum(photo.held_out for photo in photos if photo.status == PhotoStatus.KEPT),
            sureness=looked["sureness"],
            coverage=None if looked["coverage"] is None else CoverageOut(**looked["coverage"]),
            advice=[AdviceOut(**entry) for entry in looked["advice"]],
            kept=statuses.count(PhotoStatus.KEPT),
            left_out=statuses.count(PhotoStatus.LEFT_OUT),
            pending=statuses.count(PhotoStatus.PENDING),
            photos=[AlbumPhotoOut.of(photo) for photo in photos],
        )

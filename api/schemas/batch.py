"""Batches: many photos, one wish."""

from typing import Annotated, Self

from pydantic import Field

from api.schemas.members import Answered, FileId, Instant
from api.schemas.restoration import OutputIn, RestorationForm, RestorationOptions
from core.db.tables import Job, Restoration
from core.domain.job import JobStatus
from core.services.batches import MOST_PHOTOS, BatchView
from core.services.wanted import Output, Wanted


class BatchForm(RestorationForm):
    """How every photo is to be restored, beside one zip or the photos."""


class BatchIn(RestorationOptions):
    """Files that were uploaded before, photos or one zip, and how each is to be restored."""

    file_ids: Annotated[list[FileId], Field(min_length=1, max_length=MOST_PHOTOS)]
    output: OutputIn = OutputIn()

    def as_wanted(self) -> Wanted:
        """For the use case; errors as of `wanted`."""
        sent = self.output
        return self.wanted(Output(sent.format, sent.keep_metadata, sent.native, sent.layers))


class CountsOut(Answered):
    """How many of the photos are where."""

    queued: int = 0
    running: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    expired: int = 0
    quarantined: int = 0


class RejectedOut(Answered):
    """A file that is no photo."""

    label: str
    code: str
    detail: str
    advice: str


class BatchPhotoOut(Answered):
    """One photo's restoration."""

    label: str = Field(description="What its owner calls it.")
    restoration_id: str
    job_id: str
    status: JobStatus

    @classmethod
    def of(cls, restoration: Restoration, job: Job) -> Self:
        """Rows as they are shown."""
        return cls(
            label=restoration.label or "",
            restoration_id=restoration.id,
            job_id=job.id,
            status=JobStatus(job.status),
        )


class BatchLinks(Answered):
    """Where to go on."""

    self: str
    archive: str


class BatchSummary(Answered):
    """A batch in a list."""

    id: str
    photos: int = Field(description="As many were taken.")
    rejected: list[RejectedOut] = Field(description="What came along and was not.")
    counts: CountsOut = Field(description="Of those that were not deleted since.")
    ended: bool = Field(description="Nothing of it is queued or running.")
    created_at: Instant
    expires_at: Instant | None = Field(description="Deleted then.")
    links: BatchLinks

    @classmethod
    def of(cls, view: BatchView) -> Self:
        """A batch as it is shown."""
        return cls.model_validate(_members(view))


class BatchOut(BatchSummary):
    """A batch, photo by photo."""

    restorations: list[BatchPhotoOut] = Field(description="In the order in which they were sent.")

    @classmethod
    def of(cls, view: BatchView) -> Self:
        """A batch as it is shown."""
        photos = [BatchPhotoOut.of(restoration, job) for restoration, job in view.members]
        return cls.model_validate({**_members(view), "restorations": photos})


def _members(view: BatchView) -> dict[str, object]:
    batch, path = view.batch, f"/v1/batches/{view.batch.id}"
    return {
        "id": batch.id,
        "photos": batch.photos,
        "rejected": batch.rejected,
        "counts": dict(view.counts),
        "ended": all(JobStatus(status).terminal for status in view.counts),
        "created_at": batch.created_at,
        "expires_at": batch.expires_at,
        "links": {"self": path, "archive": f"{path}/archive"},
    }


class BatchPage(Answered):
    """Batches, newest first."""

    data: list[BatchSummary]
    next_cursor: str | None

"""Restorations as they are shown: what came of a photo, face by face."""

from typing import Any, Self

from pydantic import Field

from api.schemas.job import Warned, problem_of
from api.schemas.members import Answered, Instant
from api.schemas.problem import JobProblem
from core.db.tables import CandidateRow
from core.domain.job import JobStatus
from core.domain.mode import Mode
from core.services.restorations import ORIGINAL, Restored


class OutputOut(Answered):
    """What the results look like."""

    format: str
    native: bool


class CandidateOut(Answered):
    """One result of a face; the best has the number 0."""

    number: int
    scores: dict[str, Any]
    width: int
    height: int
    media_type: str
    size_bytes: int
    sha256: str
    image: str = Field(description="Where to fetch it.")


class FaceOut(Answered):
    """One face of the photo."""

    n: int
    quad: list[list[float]] | None = Field(description="Where it stands in the photo: four corners, in pixels.")
    selected: int | str | None = Field(description="A candidate's number, or original; null where nothing was made.")
    original: str | None = Field(description="Where to fetch the face as it was.")
    candidates: list[CandidateOut]
    error: JobProblem | None


class RestorationLinks(Answered):
    """Where to go on."""

    self: str
    job: str
    image: str | None = Field(description="The selected result; none before the job has succeeded.")


class RestorationOut(Answered):
    """A photo's restoration."""

    id: str
    status: JobStatus = Field(description="Its job's.")
    job_id: str
    mode: Mode
    file_id: str | None
    subject_id: str | None
    checkpoint_id: str | None
    recipe: dict[str, Any] | None
    seed: int | None
    candidates: int = Field(description="Results that were asked for.")
    output: OutputOut
    faces: list[FaceOut]
    error: JobProblem | None
    warnings: list[Warned]
    created_at: Instant
    expires_at: Instant | None
    links: RestorationLinks

    @classmethod
    def of(cls, restored: Restored) -> Self:
        """A restoration as it is shown."""
        row, job = restored.restoration, restored.job
        path = f"/v1/restorations/{row.id}"
        faces = [_face(path, entry, restored) for entry in row.faces]
        return cls(
            id=row.id,
            status=JobStatus(job.status) if job is not None else JobStatus.SUCCEEDED,
            job_id=row.job_id,
            mode=Mode(row.mode),
            file_id=row.file_id,
            subject_id=row.subject_id,
            checkpoint_id=row.checkpoint_id,
            recipe=job.recipe if job is not None else None,
            seed=job.seed if job is not None else None,
            candidates=row.candidates,
            output=OutputOut.model_validate(row.output),
            faces=faces,
            error=problem_of(job.error) if job is not None else None,
            warnings=[Warned.model_validate(warning) for warning in (job.warnings if job is not None else [])],
            created_at=row.created_at,
            expires_at=row.expires_at,
            links=RestorationLinks(
                self=path,
                job=f"/v1/jobs/{row.job_id}",
                image=f"{path}/image" if any(face.selected is not None for face in faces) else None,
            ),
        )


def _face(path: str, entry: dict[str, Any], restored: Restored) -> FaceOut:
    n = entry["n"]
    image = f"{path}/image?face={n}&candidate="
    return FaceOut(
        n=n,
        quad=entry.get("quad"),
        selected=entry.get("selected"),
        original=f"{image}{ORIGINAL}" if entry.get("crop_sha256") else None,
        candidates=[_candidate(image, row) for row in restored.candidates if row.face == n],
        error=problem_of(entry.get("error")),
    )


def _candidate(image: str, row: CandidateRow) -> CandidateOut:
    return CandidateOut(
        number=row.number,
        scores=row.scores,
        width=row.width,
        height=row.height,
        media_type=row.media_type,
        size_bytes=row.size_bytes,
        sha256=row.blob_sha256,
        image=f"{image}{row.number}",
    )


class RestorationPage(Answered):
    """Restorations, newest first."""

    data: list[RestorationOut]
    next_cursor: str | None

"""Restorations as they are shown: what came of a photo, face by face."""

from typing import Any, Self

from pydantic import Field

from api.schemas.job import Warned, problem_of
from api.schemas.members import Answered, Instant
from api.schemas.problem import JobProblem
from core.db.tables import CandidateRow, Restoration
from core.domain.face import FaceVerdict
from core.domain.job import JobStatus
from core.domain.mode import Mode
from core.services.restorations import ORIGINAL, Restored
from core.services.wanted import output_of


class OutputOut(Answered):
    """What the results look like."""

    format: str | None = Field(description="null: as the photo came.")
    keep_metadata: str
    native: bool
    layers: bool
    colour: str


class ImageOut(Answered):
    """The whole photo, with the selected faces in it."""

    media_type: str
    width: int
    height: int
    size_bytes: int
    sha256: str


class ProposalOut(Answered):
    """Whom a face may show, where faces are recognised (`faces: auto`)."""

    subject_id: str
    sureness: float = Field(description="0 to 1; the checkpoint was applied only where it was sure.")


class LayersOut(Answered):
    """Where to fetch the layers of a face, and where mask and result lie in the upright photo."""

    left: int = Field(description="First column, in pixels.")
    top: int = Field(description="First row.")
    crop: str
    mask: str
    result: str


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

    n: int = Field(description="Its number; of those detected 0 is the largest.")
    verdict: FaceVerdict | None = Field(description="What became of it; null in results of older versions.")
    notes: list[str] = Field(
        description="What is worth knowing: small, larger_than_prior, unlike_the_subject, none_held_out, looks_clean."
    )
    source: str | None = Field(description="How it was found: detected, box, eyes, aligned or whole.")
    quad: list[list[float]] | None = Field(description="Its square in the upright photo: four corners, in pixels.")
    box: list[float] | None = Field(description="left, top, right, bottom in pixels of the upright photo.")
    eye_distance_pixels: float | None
    noise_steps: int | None = Field(description="K, as it was used.")
    subject_id: str | None = Field(description="Whose checkpoint it was restored with.")
    checkpoint_id: str | None
    identity: float | None = Field(description="To the subject's album, before restoring; candidates say after.")
    proposal: ProposalOut | None
    selected: int | str | None = Field(description="A candidate's number, or original; null where nothing was made.")
    original: str | None = Field(description="Where to fetch the face as it was.")
    layers: LayersOut | None = Field(description="Where output.layers asked for them.")
    candidates: list[CandidateOut]
    error: JobProblem | None


class RestorationLinks(Answered):
    """Where to go on."""

    self: str
    job: str
    image: str | None = Field(
        description="The whole photo; null before the job has succeeded, and where nothing was made."
    )


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
    image: ImageOut | None
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
            output=OutputOut.model_validate(output_of(row.output)),
            image=_image(row),
            faces=faces,
            error=problem_of(job.error) if job is not None else None,
            warnings=[Warned.model_validate(warning) for warning in (job.warnings if job is not None else [])],
            created_at=row.created_at,
            expires_at=row.expires_at,
            links=RestorationLinks(
                self=path,
                job=f"/v1/jobs/{row.job_id}",
                image=f"{path}/image" if _has_image(row) else None,
            ),
        )


def _has_image(row: Restoration) -> bool:
    """Of the time before photos were put together, the first face's picture was the image."""
    old = row.width is None and bool(row.faces) and row.faces[0].get("selected") is not None
    return row.image_sha256 is not None or old


def _image(row: Restoration) -> ImageOut | None:
    if row.image_sha256 is None:
        return None
    return ImageOut(
        media_type=row.image_media_type or "",
        width=row.width or 0,
        height=row.height or 0,
        size_bytes=row.image_size_bytes or 0,
        sha256=row.image_sha256,
    )


def _face(path: str, entry: dict[str, Any], restored: Restored) -> FaceOut:
    n = entry["n"]
    picture = f"{path}/image?face={n}"
    image = f"{picture}&candidate="
    layers = entry.get("layers")
    return FaceOut(
        n=n,
        verdict=entry.get("verdict"),
        notes=entry.get("notes") or [],
        source=entry.get("source"),
        quad=entry.get("quad"),
        box=entry.get("box"),
        eye_distance_pixels=entry.get("eye_distance_pixels"),
        noise_steps=entry.get("noise_steps"),
        subject_id=entry.get("subject_id"),
        checkpoint_id=entry.get("checkpoint_id"),
        identity=entry.get("identity"),
        proposal=entry.get("proposal"),
        selected=entry.get("selected"),
        original=f"{image}{ORIGINAL}" if entry.get("crop_sha256") else None,
        layers=None if not layers else _layers(picture, layers),
        candidates=[_candidate(image, row) for row in restored.candidates if row.face == n],
        error=problem_of(entry.get("error")),
    )


def _layers(picture: str, stored: dict[str, Any]) -> LayersOut:
    places = {name: f"{picture}&layer={name}" for name in ("crop", "mask", "result")}
    return LayersOut(left=stored["left"], top=stored["top"], **places)


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

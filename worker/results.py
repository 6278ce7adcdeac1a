"""What a finished job leaves for its owner: candidates of a restoration, a subject checkpoint."""

from datetime import datetime, timedelta
from typing import Any, Literal, cast

from sqlalchemy import delete
from sqlalchemy.orm import Session

from core.db import restorations
from core.db.blobs import mark_ready
from core.db.tables import CandidateRow, Checkpoint, Job, Subject
from core.domain.errors import CancelledError, HeirloomError
from core.domain.job import JobKind, JobStage
from core.domain.subject import CheckpointStatus
from core.imaging.intake import encode
from core.pipeline.checkpoint import read_info
from core.pipeline.request import FaceResult, PhotoResult
from core.services.problems import as_problem
from core.storage.base import BlobRef, BlobStore, write_blob
from worker.endings import Endings
from worker.held import HeldJob
from worker.patience import Patience

MEDIA_TYPES = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}


class Results:
    """Writes results: their bytes first, then the one transaction that names them and ends the job."""

    def __init__(
        self, store: BlobStore, patience: Patience, endings: Endings, photo_days: int, checkpoint_days: int
    ) -> None:
        """Bind.

        Args:
            store: for the bytes.
            patience: waits for it.
            endings: ends the jobs.
            photo_days: how long results are kept.
            checkpoint_days: how long a checkpoint is kept after its last use.
        """
        self._store = store
        self._patience = patience
        self._endings = endings
        self._photos_live = timedelta(days=photo_days)
        self._checkpoints_live = timedelta(days=checkpoint_days)

    def restoration(self, held: HeldJob, result: PhotoResult) -> None:
        """A photo is done, or it has no face that can be.

        Args:
            held: its job.
            result: without an error.

        Raises:
            LeaseLostError: the job is not ours any more.
        """
        held.progressed(JobStage.STORE, 0, 1)
        kind = cast(Literal["png", "jpeg", "webp"], held.job.options.get("format", "png"))
        face = result.faces[0] if result.faces else None
        candidates = face.candidates if face else ()
        images = [self._keep(held, encode(candidate.image, kind)) for candidate in candidates]
        crop = None if face is None or face.crop is None else self._keep(held, encode(face.crop))
        faces = [] if face is None else [_face(face, crop)]
        scores = candidates[0].scores if candidates else {}

        def write(session: Session, job: Job, now: datetime) -> None:
            row = restorations.get(session, job.owner_id, str(job.restoration_id), lock=True)
            if row is None:
                raise CancelledError("The restoration of this job was deleted.")
            row.faces = faces
            row.expires_at = job.expires_at = now + self._photos_live
            session.execute(delete(CandidateRow).where(CandidateRow.restoration_id == row.id))
            for number, (ref, candidate) in enumerate(zip(images, candidates, strict=True)):
                height, width = candidate.image.shape[:2]
                session.add(
                    CandidateRow(
                        restoration_id=row.id,
                        face=0,
                        number=number,
                        owner_id=row.owner_id,
                        blob_sha256=ref.sha256,
                        size_bytes=ref.size_bytes,
                        media_type=MEDIA_TYPES[kind],
                        width=width,
                        height=height,
                        scores=candidate.scores,
                    )
                )
            mark_ready(session, *images, *([crop] if crop else []))
            self._touch_checkpoint(session, job, now)

        warnings = [_warning(error) for error in result.warnings]
        self._endings.succeeded(held, write, {"scores": scores}, warnings)

    def tuned(self, held: HeldJob, data: bytes) -> None:
        """An album was tuned on.

        Args:
            held: the album's or checkpoint's job.
            data: the subject checkpoint.

        Raises:
            LeaseLostError: the job is not ours any more.
        """
        held.progressed(JobStage.STORE, 0, 1)
        ref = self._keep(held, data)
        info = read_info(data)

        def write(session: Session, job: Job, now: datetime) -> None:
            row = session.get(Checkpoint, job.checkpoint_id, with_for_update=True)
            subject = session.get(Subject, job.subject_id)
            if row is None or subject is None:
                raise CancelledError("The checkpoint of this job was deleted.")
            row.status = CheckpointStatus.READY
            row.blob_sha256, row.size_bytes = ref.sha256, ref.size_bytes
            row.step, row.scores, row.album_sha256 = info.step, info.scores, info.album_sha256
            row.expires_at = None if row.pinned else now + self._checkpoints_live
            mark_ready(session, ref)
            if job.kind == JobKind.ALBUM or subject.default_checkpoint_id is None:
                subject.default_checkpoint_id = row.id

        self._endings.succeeded(held, write, {"scores": info.scores}, [])

    def curated(self, held: HeldJob) -> None:
        """An album was looked at, and no tuning was wanted; its report is written already.

        Raises:
            LeaseLostError: the job is not ours any more.
        """
        self._endings.succeeded(held, lambda *_: None, {}, [])

    def _keep(self, held: HeldJob, data: bytes) -> BlobRef:
        return self._patience.repeat(held, lambda: write_blob(self._store, held.owner_id, data))

    def _touch_checkpoint(self, session: Session, job: Job, now: datetime) -> None:
        row = None if job.checkpoint_id is None else session.get(Checkpoint, job.checkpoint_id, with_for_update=True)
        if row is not None:
            row.last_used_at = now
            row.expires_at = None if row.pinned else now + self._checkpoints_live


def _face(face: FaceResult, crop: BlobRef | None) -> dict[str, Any]:
    return {
        "n": face.n,
        "quad": None if face.quad is None else [[float(x), float(y)] for x, y in face.quad],
        "selected": face.selected,
        "crop_sha256": crop.sha256 if crop else None,
        "crop_size_bytes": crop.size_bytes if crop else None,
        "error": None if face.error is None else as_problem(face.error),
    }


def _warning(error: HeirloomError) -> dict[str, Any]:
    return {"code": error.code, "detail": error.message, "advice": error.advice}

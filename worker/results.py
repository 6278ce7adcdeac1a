"""What a finished job leaves for its owner: candidates of a restoration, a subject checkpoint."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete
from sqlalchemy.orm import Session

from core.db import restorations, subjects
from core.db.blobs import mark_ready
from core.db.tables import CandidateRow, Checkpoint, Job, Subject
from core.domain.errors import CancelledError, HeirloomError
from core.domain.job import JobKind, JobStage
from core.domain.subject import CheckpointStatus
from core.imaging.opening import Limits
from core.pipeline.checkpoint import read_info
from core.pipeline.request import PhotoResult
from core.storage.base import BlobRef, BlobStore, write_blob
from worker.constraints import HELD_OUT
from worker.endings import Endings
from worker.held import HeldJob
from worker.patience import Patience
from worker.photo_results import keep_photo, metrics_of


class Results:
    """Writes results: their bytes first, then the one transaction that names them and ends the job."""

    def __init__(
        self,
        store: BlobStore,
        patience: Patience,
        endings: Endings,
        photo_days: int,
        checkpoint_days: int,
        limits: Limits,
    ) -> None:
        """Bind.

        Args:
            store: for the bytes.
            patience: waits for it.
            endings: ends the jobs.
            photo_days: how long results are kept.
            checkpoint_days: how long a checkpoint is kept after its last use.
            limits: on what is decoded.
        """
        self._limits = limits
        self._store = store
        self._patience = patience
        self._endings = endings
        self._photos_live = timedelta(days=photo_days)
        self._checkpoints_live = timedelta(days=checkpoint_days)

    def restoration(self, held: HeldJob, result: PhotoResult, photo: bytes) -> None:
        """A photo is done, or it has no face that can be.

        Args:
            held: its job.
            result: without an error.
            photo: as it was sent.

        Raises:
            LeaseLostError: the job is not ours any more.
        """
        held.progressed(JobStage.STORE, 0, 1)
        kept = keep_photo(result, photo, held.job, held.subjects, lambda data: self._keep(held, data), self._limits)
        held.mentioned_ids = kept.proposed

        def write(session: Session, job: Job, now: datetime) -> None:
            row = restorations.get(session, job.owner_id, str(job.restoration_id), lock=True)
            if row is None:
                raise CancelledError("The restoration of this job was deleted.")
            row.expires_at = job.expires_at = now + self._photos_live
            session.execute(delete(CandidateRow).where(CandidateRow.restoration_id == row.id))
            session.add_all(kept.write_to(row))
            for gone in subjects.deleted(session, kept.proposed):
                restorations.forget_proposals_of(row, gone)
            named = restorations.checkpoints_of(session, job.owner_id, row.id)
            restorations.name_checkpoints(session, row, named | dict(kept.subjects))
            mark_ready(session, *kept.refs)
            self._touch_checkpoints(session, sorted(kept.subjects), now)

        warnings = [_warning(error) for error in result.warnings]
        self._endings.succeeded(held, write, metrics_of(result), warnings)

    def tuned(self, held: HeldJob, data: bytes, held_out: Sequence[str]) -> None:
        """An album was tuned on.

        Args:
            held: the album's or checkpoint's job.
            data: the subject checkpoint.
            held_out: ids of the photos that scored it, and were not tuned on.

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
            row.step, row.album_sha256 = info.step, info.album_sha256
            row.scores = {**info.scores, HELD_OUT: list(held_out)}
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

    def _touch_checkpoints(self, session: Session, checkpoint_ids: Sequence[str], now: datetime) -> None:
        for checkpoint_id in checkpoint_ids:
            row = session.get(Checkpoint, checkpoint_id, with_for_update=True)
            if row is not None:
                row.last_used_at = now
                row.expires_at = None if row.pinned else now + self._checkpoints_live


def _warning(error: HeirloomError) -> dict[str, Any]:
    return {"code": error.code, "detail": error.message, "advice": error.advice}

"""The pipeline's ArtifactStore on stage_outputs and blobs: every put is one fenced transaction."""

from datetime import datetime

from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from core.db import events
from core.db.blobs import mark_ready
from core.db.session import now_of
from core.db.tables import AlbumPhoto, Job, StageOutput, Subject
from core.domain.curation import CurationReport
from core.domain.errors import BlobDamagedError, BlobMissingError
from core.domain.subject import PhotoStatus
from core.pipeline.album_facts import unpack_report
from core.storage.base import BlobRef, BlobStore, read_blob, write_blob
from worker.fence import fenced
from worker.held import HeldJob
from worker.patience import Patience
from worker.recent import Recent

RESUME_PREFIX = "resume-"


class JobArtifacts:
    """What the stages of one job made. What went through here last stays in memory until it is discarded or released.

    Resume states do not: they are as large as three copies of the weights, and read once.
    """

    def __init__(self, held: HeldJob, store: BlobStore, patience: Patience, recent: Recent) -> None:
        """Look at what earlier attempts left, and write only while the attempt is ours; `recent` is the whole run's."""
        self._held = held
        self._store = store
        self._patience = patience
        self._recent = recent

    def get(self, stage: str, item: str, input_hash: str) -> bytes | None:
        """See `ArtifactStore.get`.

        Raises:
            LeaseLostError: the job is not ours any more.
            StorageError: the bytes cannot be read, now or ever.
        """
        key = (stage, item, input_hash)
        kept = self._recent.get((self._held.id, *key))
        if kept is not None or not self._held.open:
            return kept
        ref = self._patience.read(self._held, lambda session: self._ref(session, key))
        if ref is None:
            return None
        try:
            data = self._patience.repeat(self._held, lambda: read_blob(self._store, ref))
        except (BlobMissingError, BlobDamagedError):
            return None
        self.remember(key, data)
        return data

    def put(self, stage: str, item: str, input_hash: str, data: bytes) -> None:
        """See `ArtifactStore.put`. The blob is durable before the transaction that names it.

        Raises:
            LeaseLostError: the job is not ours any more.
            CancelledError: its subject was deleted meanwhile.
            StorageError: the bytes cannot be kept.
        """
        key = (stage, item, input_hash)
        ref = self._patience.repeat(self._held, lambda: write_blob(self._store, self._held.owner_id, data))
        self._patience.write(self._held, lambda session: self._commit(session, key, ref, data))
        self.remember(key, data)

    def discard(self, stage: str, item: str, input_hash: str) -> None:
        """See `ArtifactStore.discard`; errors as for `put`. Of a job that has ended, only the memory of this run."""
        key = (stage, item, input_hash)
        self._recent.drop((self._held.id, *key))
        if self._held.open:
            self._patience.write(self._held, lambda session: self._drop(session, key))

    def remember(self, key: tuple[str, str, str], data: bytes) -> None:
        """Keep an artifact for the stages that follow; of a job that has ended, to the end of the run."""
        if not key[0].startswith(RESUME_PREFIX):
            self._recent.put((self._held.id, *key), data, stored=self._held.open)

    def release(self) -> None:
        """Forget what this run keeps in memory: the job's result was taken."""
        self._recent.drop_job(self._held.id)

    def _ref(self, session: Session, key: tuple[str, str, str]) -> BlobRef | None:
        row = session.get(StageOutput, (self._held.id, *key))
        return None if row is None else BlobRef(row.owner_id, row.blob_sha256, row.size_bytes)

    def _commit(self, session: Session, key: tuple[str, str, str], ref: BlobRef, data: bytes) -> None:
        job = fenced(session, self._held)
        now = now_of(session)
        mark_ready(session, ref)
        session.merge(
            StageOutput(
                job_id=job.id,
                stage=key[0],
                item=key[1],
                input_hash=key[2],
                owner_id=job.owner_id,
                blob_sha256=ref.sha256,
                size_bytes=ref.size_bytes,
                attempt=job.attempt,
                created_at=now,
            )
        )
        if key[0] == "curate":
            write_album_report(session, job, unpack_report(data), now)

    def _drop(self, session: Session, key: tuple[str, str, str]) -> None:
        fenced(session, self._held)
        stage, item, input_hash = key
        session.execute(
            delete(StageOutput).where(
                StageOutput.job_id == self._held.id,
                StageOutput.stage == stage,
                StageOutput.item == item,
                StageOutput.input_hash == input_hash,
            )
        )


def write_album_report(session: Session, job: Job, report: CurationReport, now: datetime) -> None:
    """Say of each photo whether it was kept, and of the album what it lacks: it can be read while the tuning runs.

    A photo that its owner has taken out meanwhile stays out.

    Args:
        session: the transaction, behind its fence.
        job: the album's or the checkpoint's.
        report: whose photos are labelled with their ids.
        now: the database's clock.
    """
    for photo in report.photos:
        session.execute(
            update(AlbumPhoto)
            .where(AlbumPhoto.id == photo.label, AlbumPhoto.owner_id == job.owner_id, AlbumPhoto.include.is_(True))
            .values(
                status=PhotoStatus.KEPT if photo.kept else PhotoStatus.LEFT_OUT,
                code=photo.code,
                reason=photo.reason,
                held_out=photo.held_out,
                duplicate_of=photo.duplicate_of or None,
                sureness=photo.sureness,
                clear_pixels=photo.clear_pixels,
                view=photo.view,
                tilt=photo.tilt,
                light=photo.light,
                expression=photo.expression,
                thumbnail=photo.thumbnail or None,
                embedding=photo.embedding or None,
            )
        )
    session.execute(
        update(Subject)
        .where(Subject.id == job.subject_id, Subject.owner_id == job.owner_id, Subject.deleted_at.is_(None))
        .values(album_report=report.summary())
    )
    kept = len(report.kept)
    events.append(session, job, "album_report", now, {"kept": kept, "left_out": len(report.photos) - kept})

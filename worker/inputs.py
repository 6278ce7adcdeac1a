"""From job rows to what the pipeline is asked: photos and checkpoints are read from the blobs."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.db.tables import AlbumPhoto, Blob, Checkpoint, Restoration, Subject
from core.domain.errors import BlobMissingError, CheckpointNotReadyError, InvalidRequestError
from core.domain.subject import CheckpointStatus
from core.pipeline.request import Photo, RestoreRequest, TuneRequest
from core.storage.base import BlobRef, BlobStore, read_blob
from worker.held import HeldJob
from worker.patience import Patience


class Inputs:
    """Of one worker."""

    def __init__(self, store: BlobStore, patience: Patience) -> None:
        """Bind."""
        self._store = store
        self._patience = patience

    def album(self, held: HeldJob) -> TuneRequest:
        """The album a job is to look at, as its owner wanted it then; each photo is labelled with its id.

        Raises:
            InvalidRequestError: a photo of it was deleted.
            LeaseLostError: the job is not ours any more.
            StorageError: a photo's bytes are not there.
        """
        category, refs = self._patience.read(held, lambda session: self._album_refs(session, held))
        insisted = set(held.job.options.get("insisted_ids", ()))
        photos = tuple(Photo(name, self._bytes(held, ref), wanted=name in insisted) for name, ref in refs)
        return TuneRequest(photos, held.job.seed, category)

    def photo(self, held: HeldJob) -> Photo:
        """The photo a job is to restore, with the job's own seed.

        Raises:
            InvalidRequestError: its restoration was deleted.
            LeaseLostError: the job is not ours any more.
            StorageError: its bytes are not there.
        """
        ref = self._patience.read(held, lambda session: self._photo_ref(session, held))
        return Photo(held.id, self._bytes(held, ref), bool(held.job.options.get("aligned")), held.job.seed)

    def restoration(self, held: HeldJob, photos: Sequence[Photo]) -> RestoreRequest:
        """One request for the photos of several jobs with one `batch_key`.

        Args:
            held: any of the jobs.
            photos: each one's.

        Raises:
            CheckpointNotReadyError: its checkpoint is gone, or was never made.
            LeaseLostError: the job is not ours any more.
            StorageError: the checkpoint's bytes are not there.
        """
        job = held.job
        checkpoint = None
        if job.checkpoint_id is not None:
            ref = self._patience.read(held, lambda session: self._checkpoint_ref(session, held))
            checkpoint = self._bytes(held, ref)
        return RestoreRequest(
            tuple(photos),
            checkpoint,
            candidates=int(job.options.get("candidates", 1)),
            seed=job.seed,
            native=bool(job.options.get("native")),
        )

    def _bytes(self, held: HeldJob, ref: BlobRef) -> bytes:
        return self._patience.repeat(held, lambda: read_blob(self._store, ref))

    def _album_refs(self, session: Session, held: HeldJob) -> tuple[str, list[tuple[str, BlobRef]]]:
        ids = list(held.job.options["photo_ids"])
        query = select(AlbumPhoto).where(AlbumPhoto.owner_id == held.owner_id, AlbumPhoto.id.in_(ids))
        rows = {row.id: row for row in session.scalars(query)}
        subject = session.get(Subject, held.job.subject_id)
        if len(rows) != len(ids) or subject is None:
            raise InvalidRequestError("Photos of this album were deleted since.", "Send the album again.")
        photos = map(rows.__getitem__, ids)
        return subject.category, [(row.id, BlobRef(row.owner_id, row.blob_sha256, row.size_bytes)) for row in photos]

    def _photo_ref(self, session: Session, held: HeldJob) -> BlobRef:
        row = session.get(Restoration, held.job.restoration_id)
        if row is None:
            raise InvalidRequestError("This restoration was deleted.")
        blob = session.get(Blob, (row.owner_id, row.input_sha256))
        if blob is None:
            raise BlobMissingError("The photo is not stored any more.", "Send it again.")
        return BlobRef(blob.owner_id, blob.sha256, blob.size_bytes)

    def _checkpoint_ref(self, session: Session, held: HeldJob) -> BlobRef:
        row = session.get(Checkpoint, held.job.checkpoint_id)
        if row is None or row.status != CheckpointStatus.READY or row.blob_sha256 is None or row.size_bytes is None:
            raise CheckpointNotReadyError(
                "The checkpoint of this restoration is not there any more.", "Tune the album again, then retry."
            )
        return BlobRef(row.owner_id, row.blob_sha256, row.size_bytes)

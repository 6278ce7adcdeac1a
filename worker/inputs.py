"""From job rows to what the pipeline is asked: photos and checkpoints are read from the blobs."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.db.tables import AlbumPhoto, Blob, Restoration, Subject
from core.domain.errors import BlobMissingError, InvalidRequestError
from core.domain.face import FaceWish
from core.domain.subject import Category
from core.imaging.faces.open import FinderChoice
from core.pipeline.request import Photo, RestoreRequest, TuneRequest
from core.recipes.schema import build_recipe
from core.storage.base import BlobRef, BlobStore, read_blob
from worker.constraints import StoredCheckpoints, constraints_of
from worker.held import HeldJob
from worker.patience import Patience


class Inputs:
    """Of one worker."""

    def __init__(self, store: BlobStore, patience: Patience, finder: FinderChoice) -> None:
        """Bind."""
        self._store = store
        self._finder = finder
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
        return TuneRequest(photos, held.job.seed, category, self._finder)

    def photo(self, held: HeldJob) -> Photo:
        """The photo a job is to restore, with the job's own seed.

        Raises:
            InvalidRequestError: its restoration was deleted.
            LeaseLostError: the job is not ours any more.
            StorageError: its bytes are not there.
        """
        ref = self._patience.read(held, lambda session: self._photo_ref(session, held))
        options = held.job.options
        wishes = options.get("faces")
        return Photo(
            held.id,
            self._bytes(held, ref),
            aligned=bool(options.get("aligned")),
            seed=held.job.seed,
            faces=tuple(map(FaceWish.from_json, wishes)) if isinstance(wishes, list) else None,
        )

    def restoration(self, members: Sequence[HeldJob], photos: Sequence[Photo]) -> RestoreRequest:
        """One request for the photos of several jobs with one `batch_key`.

        Each job knows then whose checkpoints it may use.

        Args:
            members: the jobs.
            photos: each one's.

        Raises:
            CheckpointNotReadyError: its checkpoint is gone, or was never made.
            LeaseLostError: the job is not ours any more.
            StorageError: the checkpoint's bytes are not there.
        """
        held = members[0]
        job, options = held.job, held.job.options
        found = self._patience.read(held, lambda session: constraints_of(session, job))
        for member in members:
            member.subjects = found.subjects
        own = StoredCheckpoints(found.own, lambda ref: self._bytes(held, ref))
        personal_recipe = options.get("personal_recipe")
        return RestoreRequest(
            tuple(photos),
            None if found.whole is None else self._bytes(held, found.whole),
            candidates=int(options.get("candidates", 1)),
            seed=job.seed,
            native=bool(options.get("native")),
            checkpoints=own,
            checkpoint_hashes=own.hashes(),
            references=found.references,
            held_out=found.held_out,
            recognise=found.recognise,
            personal_recipe=None if personal_recipe is None else build_recipe(personal_recipe),
            category=options.get("category", Category.PERSON.value),
            colour=options.get("colour", "preserve"),
            file_format=options.get("format"),
            keep_metadata=options.get("keep_metadata", "all"),
            finder=self._finder,
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

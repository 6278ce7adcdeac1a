"""A batch's way in: a form with one zip or several photos, or the ids of files that were uploaded before."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from fastapi import Request
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from api.album_intake import copy_files
from api.call import Call
from api.deps import CallDep
from api.intake import read_fields, read_json
from api.routing import is_form
from api.schemas.batch import BatchForm, BatchIn
from core.db.tables import File
from core.imaging.signature import ZIP, kinds
from core.services import batches, uploads
from core.services.album_spool import AlbumSpool, NewPhoto
from core.services.batches import BatchView, Rejected
from core.services.uploads import Received
from core.services.wanted import Wanted


@dataclass
class SentBatch:
    """What every photo is wanted to become, and the photos: named, or on this machine's disk."""

    wanted: Wanted
    spool: AlbumSpool
    file_ids: Sequence[str] = ()
    _photos: list[NewPhoto] = field(default_factory=list)
    _rejected: list[Rejected] = field(default_factory=list)

    def settle(self, call: Call) -> None:
        """Store the photos that came along, once nothing is known that speaks against them.

        Raises:
            HeirloomError: as for `core.services.batches.check`, and where there is no room for so many jobs.
        """
        for photo in () if self.file_ids else self.spool.entries():
            if photo.media_type is None:
                self._rejected.append(_rejected(photo))
            else:
                self._photos.append(photo)
        coming = len(self.file_ids or self._photos)
        with call.read() as session:
            batches.check(session, call.owner_id, coming, self.wanted, call.offer)
            call.check_room(session, coming)
        self.spool.store(call.service.store, [photo.ref for photo in self._photos])

    def create(self, session: Session, call: Call) -> BatchView:
        """Queue it all; errors as of `settle`, and NotFoundError where a file was deleted meanwhile."""
        files = self._files(session, call)
        call.check_room(session, len(files))
        asked = (files, self._rejected, self.wanted, call.offer, call.service.terms)
        return batches.create(session, call.owner_id, *asked)

    def _files(self, session: Session, call: Call) -> list[File]:
        if self.file_ids:
            return [
                uploads.get(session, call.owner_id, file_id, f"/file_ids/{place}", keep=True)
                for place, file_id in enumerate(self.file_ids)
            ]
        return [
            uploads.register(session, call.owner_id, Received(photo.ref, photo.media_type or ""), photo.label, None)
            for photo in self._photos
        ]


async def sent_batch(request: Request, call: CallDep) -> AsyncIterator[SentBatch]:
    """Read a request; what it needed of the disk is given back when it has ended."""
    spool = AlbumSpool(call.owner_id, call.service.limits, call.service.spool_folder())
    try:
        if is_form(request):
            form = await read_fields(request, call, spool, BatchForm)
            yield SentBatch(form.as_wanted(), spool)
        else:
            body = await read_json(request, call, BatchIn)
            whole = await run_in_threadpool(_of_a_zip, call, body.file_ids, spool)
            yield SentBatch(body.as_wanted(), spool, () if whole else tuple(body.file_ids))
    finally:
        await run_in_threadpool(spool.close)


def _of_a_zip(call: Call, file_ids: list[str], spool: AlbumSpool) -> bool:
    """Whether a zip is among the files: they are spooled then, which also refuses a zip beside photos."""
    with call.read() as session:
        files = uploads.get_all(session, call.owner_id, file_ids, "/file_ids")
    if all(file.media_type != ZIP for file in files):
        return False
    copy_files(call, files, spool)
    return True


def _rejected(photo: NewPhoto) -> Rejected:
    return Rejected(
        photo.label, "unsupported_format", f"The file is not a {kinds()} photo.", "Save it anew, or leave it out."
    )
